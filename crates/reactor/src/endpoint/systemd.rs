//! `SystemdSocket`: a listening socket that systemd passes by socket activation (`sd_listen_fds`).

use std::env;
use std::io;
use std::os::fd::{OwnedFd, RawFd};

use deferred::{Deferred, fail};
use socket2::{Domain, SockRef};

use super::any_port::AnyPort;
use super::descriptor::adopt;
use super::server::{Accept, ServerEndpoint};
use crate::error::ListenError;
use crate::handle::ReactorHandle;
use crate::sys;

/// The number of the first descriptor (`SD_LISTEN_FDS_START`).
const FIRST: RawFd = 3;

/// A listening socket that systemd or another supervisor passes to the process with the variables
/// `LISTEN_PID`, `LISTEN_FDS` and `LISTEN_FDNAMES`; it is selected by its index, or by its name in
/// the unit (`FileDescriptorName=`). (Twisted: `systemd:domain=INET:index=0`.)
///
/// # Examples
///
/// ```
/// # use reactor::{Protocol, Raw, Reactor};
/// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
/// use reactor::endpoint::{Listen, SystemdSocket};
///
/// let reactor = Reactor::new()?;
/// let handle = reactor.handle();
/// let listening = SystemdSocket::named("web").listen(&reactor, || Quiet);
/// // Not started by systemd:
/// let failed = listening.add_errback(move |failure| {
///     println!("{failure}");
///     handle.stop();
///     Err(failure)
/// });
/// failed.ignore();
/// reactor.run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SystemdSocket {
    which: Which,
    /// The family that the socket must have; `None` takes any.
    family: Option<SocketFamily>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Which {
    Index(u32),
    Name(String),
}

/// Value of `domain=` in a description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum SocketFamily {
    Inet,
    Inet6,
    Unix,
}

impl SystemdSocket {
    /// The socket number `index`, counted from 0.
    pub fn index(index: u32) -> Self {
        Self {
            which: Which::Index(index),
            family: None,
        }
    }

    /// The socket with this name; an error if several have it.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            which: Which::Name(name.into()),
            family: None,
        }
    }

    /// Lets `listen` fail if the socket is of another family than `family`.
    pub(super) fn expect_family(mut self, family: SocketFamily) -> Self {
        self.family = Some(family);
        self
    }

    /// A duplicate of the socket, if it has the expected family. The original stays open, so that
    /// the endpoint can listen again after its port has stopped.
    fn open(&self) -> io::Result<OwnedFd> {
        let number = self.find(|name| env::var(name).ok(), std::process::id())?;
        let socket = sys::duplicate(number)?;
        let domain = SockRef::from(&socket).local_addr()?.domain();
        let is_expected = match self.family {
            None => true,
            Some(SocketFamily::Inet) => domain == Domain::IPV4,
            Some(SocketFamily::Inet6) => domain == Domain::IPV6,
            Some(SocketFamily::Unix) => domain == Domain::UNIX,
        };
        if is_expected {
            Ok(socket)
        } else {
            Err(bad("the socket is not of the expected domain"))
        }
    }

    /// The number of the descriptor, according to the environment of the process `pid`. The
    /// environment is read by `variable`, so that tests need not change that of their own process.
    fn find(&self, variable: impl Fn(&str) -> Option<String>, pid: u32) -> io::Result<RawFd> {
        // A child process inherits the variables, but not the sockets. So the variables count only
        // in the process whose ID is in `LISTEN_PID`.
        let is_ours = variable("LISTEN_PID").and_then(|given| given.parse().ok()) == Some(pid);
        if !is_ours {
            return Err(bad(
                "this process was passed no sockets: LISTEN_PID is not its process ID",
            ));
        }
        let count = variable("LISTEN_FDS").and_then(|count| count.parse::<u16>().ok());
        let count = count.ok_or_else(|| {
            bad("this process was passed no sockets: LISTEN_FDS is not their number")
        })?;
        let index = match &self.which {
            Which::Index(index) => u16::try_from(*index)
                .ok()
                .filter(|index| *index < count)
                .ok_or_else(|| bad(format!("only {count} sockets were passed (LISTEN_FDS)")))?,
            Which::Name(name) => {
                // The names are in the order of the descriptors. systemd sets a name for each
                // descriptor; another supervisor may set none.
                let names = variable("LISTEN_FDNAMES").unwrap_or_default();
                let mut matching = (0..count)
                    .zip(names.split(':'))
                    .filter(|(_index, given)| given == name)
                    .map(|(index, _given)| index);
                // Several sockets of one unit may have the same name; to take the first one would
                // be a guess.
                match (matching.next(), matching.next()) {
                    (Some(index), None) => index,
                    (Some(_), Some(_)) => {
                        return Err(bad(format!(
                            "several sockets have this name: {names:?} (LISTEN_FDNAMES)"
                        )));
                    }
                    _ => {
                        return Err(bad(format!(
                            "no socket has this name; there are {names:?} (LISTEN_FDNAMES)"
                        )));
                    }
                }
            }
        };
        Ok(FIRST + RawFd::from(index))
    }

    /// The endpoint's name in errors.
    fn name(&self) -> String {
        match &self.which {
            Which::Index(index) => format!("socket {index} of systemd"),
            Which::Name(name) => format!("socket {name} of systemd"),
        }
    }
}

/// The error of an environment that does not have the socket.
fn bad(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, why)
}

impl ServerEndpoint for SystemdSocket {
    fn listen_with(&self, reactor: &ReactorHandle, accept: Box<dyn Accept>) -> Deferred<AnyPort> {
        match self.open() {
            Ok(listener) => adopt(reactor, listener, &self.name(), accept),
            Err(error) => fail(ListenError::new(self.name(), error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(name: &str) -> Option<String> {
        let value = match name {
            "LISTEN_PID" => "7",
            "LISTEN_FDS" => "3",
            "LISTEN_FDNAMES" => "web:mail:mail",
            _ => return None,
        };
        Some(value.to_owned())
    }

    #[test]
    fn an_index_counts_from_descriptor_3() {
        assert_eq!(SystemdSocket::index(0).find(passed, 7).unwrap(), 3);
        assert_eq!(SystemdSocket::index(2).find(passed, 7).unwrap(), 5);
        assert!(SystemdSocket::index(3).find(passed, 7).is_err());
    }

    #[test]
    fn a_name_must_be_there_once() {
        assert_eq!(SystemdSocket::named("web").find(passed, 7).unwrap(), 3);
        assert!(SystemdSocket::named("mail").find(passed, 7).is_err());
        assert!(SystemdSocket::named("news").find(passed, 7).is_err());
    }

    #[test]
    fn sockets_for_another_process_are_not_taken() {
        assert!(SystemdSocket::index(0).find(passed, 8).is_err());
        assert!(SystemdSocket::index(0).find(|_| None, 7).is_err());
    }

    #[test]
    fn without_a_number_of_sockets_the_error_names_its_variable() {
        let find = |count: Option<&str>| {
            let variable = |name: &str| match name {
                "LISTEN_PID" => Some("7".to_owned()),
                "LISTEN_FDS" => count.map(str::to_owned),
                _ => None,
            };
            SystemdSocket::index(0).find(variable, 7)
        };
        for count in [None, Some("70000"), Some("many")] {
            let error = find(count).unwrap_err().to_string();
            assert!(error.contains("LISTEN_FDS"), "{error}");
        }
    }
}
