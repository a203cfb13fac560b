//! `HostPort`: a host and a port, as given by the caller.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Target for connecting or listening: a host, which is an IP address or a name, and a port.
///
/// A `HostPort` is made from a `&str` or `String` such as `"127.0.0.1:80"`, `"[::1]:80"` or
/// `"example.org:80"`, from a [`SocketAddr`], or from a host and a port. Making one never fails: if
/// the text cannot be parsed, the call that connects or listens returns the error. Two values are
/// equal if they have the same host and port, even if they were written differently.
///
/// # Examples
///
/// ```
/// use reactor::HostPort;
///
/// assert_eq!(HostPort::from("example.org:80").to_string(), "example.org:80");
/// assert_eq!(HostPort::from(("::1", 80)).to_string(), "[::1]:80");
/// assert_eq!(HostPort::from("[0:0::1]:80"), HostPort::from(("::1", 80)));
/// ```
#[derive(Clone, Debug)]
pub struct HostPort {
    /// The text, if the target was given as text, or is invalid. A `SocketAddr` has no text: it is
    /// formatted only for an error, and not for each connect.
    given: Option<String>,
    parsed: Parsed,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Parsed {
    Address(SocketAddr),
    Name(String, u16),
    Invalid,
}

impl HostPort {
    pub(crate) fn given(&self) -> Cow<'_, str> {
        match (&self.given, &self.parsed) {
            (Some(given), _) => Cow::Borrowed(given),
            (None, Parsed::Address(address)) => Cow::Owned(address.to_string()),
            (None, Parsed::Name(host, port)) => Cow::Owned(format!("{host}:{port}")),
            // Does not happen, because an invalid target keeps its text.
            (None, Parsed::Invalid) => Cow::Borrowed(""),
        }
    }

    /// The address to listen on. `localhost` is the loopback address by definition (RFC 6761).
    ///
    /// # Errors
    ///
    /// For any other name, because the loop's thread must not wait for a look-up. The message is
    /// `instead`, which names the call to use instead.
    pub(crate) fn address(&self, instead: &'static str) -> io::Result<SocketAddr> {
        match &self.parsed {
            Parsed::Address(address) => Ok(*address),
            // Needs no look-up, because the name always means a loopback address (RFC 6761, section
            // 6.3).
            Parsed::Name(host, port) if host.eq_ignore_ascii_case("localhost") => {
                Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, *port)))
            }
            Parsed::Name(..) => Err(io::Error::new(io::ErrorKind::InvalidInput, instead)),
            Parsed::Invalid => Err(Self::invalid()),
        }
    }

    pub(crate) fn parsed(&self) -> &Parsed {
        &self.parsed
    }

    /// The error to return for [`Parsed::Invalid`].
    pub(crate) fn invalid() -> io::Error {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            "expected an address and a port, such as 127.0.0.1:80 or localhost:80",
        )
    }
}

impl From<&str> for HostPort {
    fn from(given: &str) -> Self {
        Self {
            given: Some(given.to_owned()),
            parsed: parse(given),
        }
    }
}

fn parse(given: &str) -> Parsed {
    if let Ok(address) = given.parse() {
        return Parsed::Address(address);
    }
    // IPv6 addresses have been parsed above; a colon in any other host is refused by `is_name`.
    match given.rsplit_once(':') {
        Some((host, port)) if is_name(host) => match port.parse() {
            Ok(port) => Parsed::Name(host.to_owned(), port),
            Err(_) => Parsed::Invalid,
        },
        _ => Parsed::Invalid,
    }
}

/// Cheap syntax check; the resolver decides whether the name exists.
fn is_name(host: &str) -> bool {
    // Brackets and colons belong to addresses; `/` and `@` are parts of a URL that was given by
    // mistake.
    let is_odd = |c: char| c.is_whitespace() || c.is_control() || "[]:/@".contains(c);
    !host.is_empty() && !host.contains(is_odd)
}

impl From<String> for HostPort {
    fn from(given: String) -> Self {
        Self::from(given.as_str())
    }
}

impl From<&String> for HostPort {
    fn from(given: &String) -> Self {
        Self::from(given.as_str())
    }
}

impl From<SocketAddr> for HostPort {
    fn from(address: SocketAddr) -> Self {
        Self {
            given: None,
            parsed: Parsed::Address(address),
        }
    }
}

impl From<(IpAddr, u16)> for HostPort {
    fn from((host, port): (IpAddr, u16)) -> Self {
        Self::from(SocketAddr::new(host, port))
    }
}

impl From<(&str, u16)> for HostPort {
    fn from((host, port): (&str, u16)) -> Self {
        match host.parse::<IpAddr>() {
            Ok(host) => Self::from((host, port)),
            Err(_) if is_name(host) => Self {
                given: None,
                parsed: Parsed::Name(host.to_owned(), port),
            },
            Err(_) => Self {
                given: Some(format!("{host}:{port}")),
                parsed: Parsed::Invalid,
            },
        }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.given())
    }
}

impl PartialEq for HostPort {
    fn eq(&self, other: &Self) -> bool {
        match (&self.parsed, &other.parsed) {
            (Parsed::Invalid, Parsed::Invalid) => self.given == other.given,
            (own, of_other) => own == of_other,
        }
    }
}

impl Eq for HostPort {}

impl Hash for HostPort {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // As in `eq`, the text counts only if the target is invalid.
        self.parsed.hash(state);
        if self.parsed == Parsed::Invalid {
            self.given.hash(state);
        }
    }
}
