//! Log record of a failure that goes only to the log: an `Err` or a panic of a
//! protocol's handler, or of a factory.
//!
//! It is one `tracing` event at ERROR level, whatever the kind of protocol. If the process
//! has no subscriber, and never had, it goes to standard error, as an unhandled failure of
//! a Deferred does.

use std::fmt;
use std::io::Write;

use deferred::Failure;

use crate::panics::contain;

/// Whose failure it is.
pub(crate) enum Of<'a> {
    /// The protocol of the connection to this peer.
    Connection(&'a dyn fmt::Display),
    /// The protocol of the datagram port at this address.
    DatagramPort(&'a dyn fmt::Display),
    /// The protocol of the child with this number.
    Process(u32),
    /// The `stop_factory` of a factory.
    Factory,
}

impl Of<'_> {
    /// What failed, and what comes of it.
    fn message(&self) -> &'static str {
        match self {
            Self::Connection(_) => "a protocol failed; its connection is closed",
            Self::DatagramPort(_) => "a protocol failed; its port lives on",
            Self::Process(_) => "a protocol failed; the pipes of its process are closed",
            Self::Factory => "a factory failed when its port was closed",
        }
    }
}

/// Logs `failure`. `name` is that of the protocol's or factory's type, if it is known here: a panic
/// has no place but that of the library's call, so the type is what tells where to look.
#[cold]
pub(crate) fn report(of: &Of<'_>, name: Option<&'static str>, failure: Failure) {
    // The failure is a user's: formatting it, and dropping it, may panic.
    contain("the log of a failure", || {
        let message = of.message();
        match of {
            Of::Connection(peer) => {
                tracing::error!(target: "reactor", protocol = name, %peer, "{message}: {failure:?}");
            }
            Of::DatagramPort(port) => {
                tracing::error!(target: "reactor", protocol = name, %port, "{message}: {failure:?}");
            }
            Of::Process(pid) => {
                tracing::error!(target: "reactor", protocol = name, pid, "{message}: {failure:?}");
            }
            Of::Factory => {
                tracing::error!(target: "reactor", factory = name, "{message}: {failure:?}");
            }
        }
        if !tracing::dispatcher::has_been_set() {
            // If even that cannot be written, there is nowhere left to say so.
            let _ = writeln!(std::io::stderr(), "{}: {failure:?}", Told { of, name });
        }
        drop(failure);
    });
}

/// What failed, what comes of it, and of whom: for standard error.
struct Told<'a> {
    of: &'a Of<'a>,
    name: Option<&'static str>,
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (", self.of.message())?;
        if let Some(name) = self.name {
            write!(f, "{name}, ")?;
        }
        match self.of {
            Of::Connection(peer) => write!(f, "peer {peer})"),
            Of::DatagramPort(port) => write!(f, "port {port})"),
            Of::Process(pid) => write!(f, "pid {pid})"),
            Of::Factory => f.write_str("a factory)"),
        }
    }
}
