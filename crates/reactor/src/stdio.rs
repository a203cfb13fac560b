//! Connections over standard input and output, and over other pairs of descriptors.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use deferred::{Deferred, fail};

use crate::address::Address;
use crate::connection::{Connection, ConnectionSource, Keys, NewConnection, OnClose, Protocol};
use crate::core::Core;
use crate::error::AdoptError;
use crate::filter::Filter;
use crate::handle::ReactorHandle;
use crate::io::{Pipes, RawStream, RegisteredFd};
use crate::poll::Interest;
use crate::sys::shared_fd::{Direction, SharedFd};

impl ReactorHandle {
    /// Makes a connection over standard input and output: the protocol receives the standard input,
    /// and its output is printed. (Twisted: `StandardIO`.)
    ///
    /// Both may be terminals, pipes, sockets or files. They keep their settings for all other users
    /// of the descriptors: `println!` and children that inherit them still work, but their output
    /// may appear before or after output that this connection has not sent yet. (No shared
    /// description is made non-blocking. A pipe or a terminal is opened again, where the system
    /// allows that; otherwise, as with a terminal of another user, it is read only when it is
    /// ready, and written in small pieces.)
    ///
    /// # Errors
    ///
    /// If the descriptors cannot be watched, or the reactor is gone; or the failure of
    /// `connection_made`.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use reactor::{Context, Lines, Protocol, Reactor};
    ///
    /// struct Shell;
    ///
    /// impl Protocol for Shell {
    ///     type Framing = Lines;
    ///
    ///     fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
    ///         cx.write("> ");
    ///         Ok(())
    ///     }
    ///
    ///     fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> deferred::Result<()> {
    ///         cx.write_sequence([b"you typed ", line, b"\n> "]);
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let reactor = Reactor::new()?;
    /// reactor.stdio(Shell).unwrap();
    /// reactor.run_until_signal()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stdio<P: Protocol>(&self, protocol: P) -> Result<Connection<P>, AdoptError> {
        // Uses duplicates, so that the close of the connection does not close the standard
        // descriptors of the program.
        let input = io::stdin().as_fd().try_clone_to_owned()?;
        let output = io::stdout().as_fd().try_clone_to_owned()?;
        self.adopt_pipes(input, output, protocol)
    }

    /// Makes a connection over two descriptors: the protocol receives the bytes of `input`, and its
    /// output goes to `output`. See [`stdio`](Self::stdio).
    ///
    /// # Errors
    ///
    /// As for [`stdio`](Self::stdio).
    pub fn adopt_pipes<P: Protocol>(
        &self,
        input: impl Into<OwnedFd>,
        output: impl Into<OwnedFd>,
        protocol: P,
    ) -> Result<Connection<P>, AdoptError> {
        let core = self.core()?;
        let connection = of_pipes(&core, input.into(), output.into())?;
        let (source, begun) = ConnectionSource::start(&core, connection, protocol);
        begun.map_err(AdoptError::Protocol)?;
        Ok(Connection::new(Rc::downgrade(&source)))
    }

    /// As [`adopt_pipes`](Self::adopt_pipes), behind `filter`. The Deferred fires when the
    /// connection is made.
    pub(crate) fn open_pipes<P: Protocol>(
        &self,
        input: OwnedFd,
        output: OwnedFd,
        protocol: P,
        on_close: Option<OnClose>,
        filter: Option<Box<dyn Filter>>,
    ) -> Deferred<Connection<P>> {
        let open = || -> deferred::Result<_> {
            let core = self.core()?;
            let connection = NewConnection {
                on_close,
                filter,
                ..of_pipes(&core, input, output)?
            };
            Ok(ConnectionSource::open(&core, connection, protocol))
        };
        open().unwrap_or_else(fail)
    }
}

fn of_pipes(core: &Core, input: OwnedFd, output: OwnedFd) -> io::Result<NewConnection> {
    core.require_system("a test reactor has no pipes of the system")?;
    let input = SharedFd::new(input, Direction::Read)?;
    let output = SharedFd::new(output, Direction::Write)?;
    let input = register(core, input, Interest::READABLE)?;
    let output = match register(core, output, Interest::NONE) {
        Ok(output) => output,
        Err(error) => {
            // Removes the placeholder that `register` has inserted for the input.
            drop(core.registry.remove(input.registration().key()));
            return Err(error);
        }
    };
    let keys = Keys::from(
        [&input, &output]
            .map(|end| end.registration().key())
            .as_slice(),
    );
    let stream = RawStream::Pipes(Pipes::new(input, output));
    Ok(NewConnection::reserved(stream, keys, Address::Unknown))
}

/// Registers a descriptor, and inserts a placeholder for its source.
fn register(core: &Core, shared: SharedFd, interest: Interest) -> io::Result<RegisteredFd> {
    let register = |descriptor| core.register(descriptor, interest);
    let registered = RegisteredFd::new(shared, register)?;
    // Reserves the key, because the next descriptor is registered before the source is made that
    // replaces both placeholders.
    core.reserve_key();
    Ok(registered)
}
