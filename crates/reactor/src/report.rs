//! Log records of failures that no caller gets: an `Err` or a panic of a protocol's handler, or of
//! a factory.
//!
//! Each failure is one `tracing` event at ERROR level, for all kinds of protocols. If the process
//! has never had a subscriber, the failure is written to standard error, like an unhandled failure
//! of a Deferred.

use std::fmt;
use std::io::Write;

use deferred::Failure;

use crate::panics::contain;

/// The origin of a failure.
pub(crate) enum Of<'a> {
    /// The protocol of the connection to this peer.
    Connection(&'a dyn fmt::Display),
    /// The protocol of the datagram port at this address.
    DatagramPort(&'a dyn fmt::Display),
    /// The protocol of the child with this process ID.
    Process(u32),
    /// The `stop_factory` of a factory.
    Factory,
}

impl Of<'_> {
    /// What has failed, and the consequence.
    fn message(&self) -> &'static str {
        match self {
            Self::Connection(_) => "a protocol failed; its connection is closed",
            Self::DatagramPort(_) => "a protocol failed; its port lives on",
            Self::Process(_) => "a protocol failed; the pipes of its process are closed",
            Self::Factory => "a factory failed when its port was closed",
        }
    }
}

/// Logs `failure`. `name` is the type name of the protocol or factory, if it is known: the location
/// of a panic is only that of the library's call, so the type tells where to look.
#[cold]
pub(crate) fn report(of: &Of<'_>, name: Option<&'static str>, failure: Failure) {
    // Contained, because the failure is a value of the user: formatting or dropping it may panic.
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
            // If this cannot be written, there is no other place to report the failure.
            let _ = writeln!(std::io::stderr(), "{}: {failure:?}", Told { of, name });
        }
        drop(failure);
    });
}

/// The text for standard error: what has failed, the consequence, and the type and address or ID.
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
