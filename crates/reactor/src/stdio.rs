//! Standard input and output, and other pairs of pipes, as a connection.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use deferred::{Deferred, fail};

use crate::address::Address;
use crate::connection::{Connection, ConnectionSource, NewConnection, OnClose, Protocol, place};
use crate::core::Core;
use crate::error::AdoptError;
use crate::filter::Filter;
use crate::handle::ReactorHandle;
use crate::io::{Pipes, RawStream, RegisteredFd};
use crate::poll::Interest;
use crate::sys::shared_fd::{Direction, SharedFd};

impl ReactorHandle {
    /// Makes a connection of standard input and output: what is typed comes in, what
    /// is written is printed. (Twisted: `StandardIO`.)
    ///
    /// DuplexSource may be terminals, pipes, sockets or files. They stay as they are for all
    /// other users of the descriptors: `println!` works, as do children that inherit them, but what
    /// these print is not kept in order with what this writes. (Nothing that is shared is
    /// made non-blocking: a pipe or a terminal is opened again, where the system allows
    /// that; else, as with another user's terminal, it is read only when it is ready, and
    /// written in small pieces.)
    ///
    /// # Errors
    ///
    /// They cannot be watched, or the reactor is gone; or the failure of
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
        // Duplicates: a closed connection leaves the program its own standard descriptors.
        let input = io::stdin().as_fd().try_clone_to_owned()?;
        let output = io::stdout().as_fd().try_clone_to_owned()?;
        self.adopt_pipes(input, output, protocol)
    }

    /// Makes a connection of two descriptors: what can be read from `input` comes
    /// in, what is written goes to `output`. See [`stdio`](Self::stdio).
    ///
    /// # Errors
    ///
    /// As for `stdio`.
    pub fn adopt_pipes<P: Protocol>(
        &self,
        input: impl Into<OwnedFd>,
        output: impl Into<OwnedFd>,
        protocol: P,
    ) -> Result<Connection<P>, AdoptError> {
        let core = self.core()?;
        let connection = of_pipes(&core, input.into(), output.into())?;
        let keys = connection.keys.clone();
        let (source, begun) = ConnectionSource::start(&core, connection, protocol, |source| {
            place(&core, &keys, source);
        });
        begun.map_err(AdoptError::Protocol)?;
        Ok(Connection::new(Rc::downgrade(&source)))
    }

    /// As [`adopt_pipes`](Self::adopt_pipes), behind `filter`; the Deferred fires when the
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
            let keys = connection.keys.clone();
            Ok(ConnectionSource::open(
                &core,
                connection,
                protocol,
                |source| {
                    place(&core, &keys, source);
                },
            ))
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
            // The place that `register` has reserved for the input.
            drop(core.registry.remove(input.registration().key()));
            return Err(error);
        }
    };
    let [first, second] = [&input, &output].map(|end| end.registration().key());
    let stream = RawStream::Pipes(Pipes::new(input, output));
    let mut connection = NewConnection::new(stream, first, Address::Unknown);
    connection.keys.push(second);
    Ok(connection)
}

/// Registers a descriptor, with a source that is to be replaced.
fn register(core: &Core, shared: SharedFd, interest: Interest) -> io::Result<RegisteredFd> {
    let register = |descriptor| core.register(descriptor, interest);
    let registered = RegisteredFd::new(shared, register)?;
    // Takes the key: the next descriptor is registered under another one, before the source is
    // there that replaces both places.
    core.reserve_key();
    Ok(registered)
}
