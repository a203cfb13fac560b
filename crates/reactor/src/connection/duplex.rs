//! Insertion of connections into the registry: under one key, or under two if there is a descriptor
//! for each direction.

use std::rc::{Rc, Weak};

use super::any_source::AnySource;
use crate::core::Core;
use crate::poll::{Key, Ready};
use crate::registry::{EventSource, ListedConnection};

impl dyn AnySource {
    fn output_ready(&self) {
        if self.transport().is_write_blocked() {
            self.transport().flush();
        }
        self.settle_now();
    }

    /// The peer has closed its end of the output.
    fn output_broken(&self) {
        let broken = std::io::ErrorKind::BrokenPipe.into();
        self.transport().fail_with(broken);
        self.settle_now();
    }
}

/// Inserts `source` under its keys, which are reserved, or belong to a connection that it replaces.
pub(super) fn place(core: &Core, keys: &[Key], source: Rc<dyn AnySource>) {
    match *keys {
        // The entry of the input owns the connection; the entry of the output refers to it weakly.
        [input, output] => {
            let refers = Output(Rc::downgrade(&source));
            core.registry.replace(input, Rc::new(Input(source)));
            core.registry.replace(output, Rc::new(refers));
        }
        [key, ..] => core.registry.replace(key, source),
        [] => unreachable!("a connection has a key"),
    }
}

/// Entry of the input's descriptor, which owns the connection.
struct Input(Rc<dyn AnySource>);

impl EventSource for Input {
    fn ready(self: Rc<Self>, _ready: Ready) {
        let source: Rc<dyn EventSource> = Rc::<dyn AnySource>::clone(&self.0);
        // Reported as readable only: reading finds a hang-up of the input, and the entry of the
        // output reports whether that is broken.
        source.ready(Ready::READABLE);
    }

    fn begin_to_close(self: Rc<Self>) -> bool {
        let source: Rc<dyn EventSource> = Rc::<dyn AnySource>::clone(&self.0);
        source.begin_to_close()
    }

    fn as_connection(self: Rc<Self>) -> Option<Rc<dyn ListedConnection>> {
        let source: Rc<dyn EventSource> = Rc::<dyn AnySource>::clone(&self.0);
        source.as_connection()
    }

    fn shut_down(self: Rc<Self>) {
        let source: Rc<dyn EventSource> = Rc::<dyn AnySource>::clone(&self.0);
        source.shut_down();
    }
}

/// Entry of the output's descriptor.
struct Output(Weak<dyn AnySource>);

impl EventSource for Output {
    fn ready(self: Rc<Self>, ready: Ready) {
        let Some(source) = self.0.upgrade() else {
            return;
        };
        if ready.is_hung_up() {
            source.output_broken();
        } else {
            source.output_ready();
        }
    }

    // Does nothing: the entry of the input shuts down the connection.
    fn shut_down(self: Rc<Self>) {}
}
