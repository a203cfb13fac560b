//! `Address`: the address of one side of a connection.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use socket2::SockAddr;

/// The address of one side of a connection or of a listening port.
///
/// # Examples
///
/// ```
/// use reactor::Address;
///
/// let address = Address::from("127.0.0.1:80".parse::<std::net::SocketAddr>().unwrap());
/// assert_eq!(address.to_string(), "127.0.0.1:80");
/// assert_eq!(address.as_inet().unwrap().port(), 80);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// An internet address, of version 4 or 6, and a port.
    Inet(SocketAddr),
    /// A UNIX socket.
    Unix(UnixAddress),
    /// There is no address, as for a pipe, or the system has not given it.
    Unknown,
}

impl Address {
    /// The internet address, if it is one.
    pub fn as_inet(&self) -> Option<SocketAddr> {
        match self {
            Self::Inet(address) => Some(*address),
            Self::Unix(_) | Self::Unknown => None,
        }
    }

    /// The IP address without the port, if it is an internet address.
    ///
    /// A port for both families, such as `[::]:80` or one of systemd, reports an IPv4 client as
    /// `::ffff:192.0.2.1`. Here, that is the IPv4 address 192.0.2.1, so that it equals the one in a list,
    /// and `is_loopback` and the like hold for it. [`as_inet`](Self::as_inet) has it as reported.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor::Address;
    /// use std::net::{IpAddr, SocketAddr};
    ///
    /// let address = Address::from("[::ffff:127.0.0.1]:80".parse::<SocketAddr>()?);
    /// assert_eq!(address.ip(), Some(IpAddr::from([127, 0, 0, 1])));
    /// assert!(address.ip().is_some_and(|ip| ip.is_loopback()));
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    pub fn ip(&self) -> Option<IpAddr> {
        self.as_inet().map(|address| address.ip().to_canonical())
    }

    /// The address of a UNIX socket, if it is one.
    pub fn as_unix(&self) -> Option<&UnixAddress> {
        match self {
            Self::Unix(address) => Some(address),
            Self::Inet(_) | Self::Unknown => None,
        }
    }

    /// The address of a UNIX socket without a name.
    pub(crate) fn unnamed() -> Self {
        Self::Unix(UnixAddress::Unnamed)
    }

    /// The address that the system gave.
    pub(crate) fn from_system(address: &SockAddr) -> Self {
        if let Some(inet) = address.as_socket() {
            return Self::Inet(inet);
        }
        if !address.is_unix() {
            return Self::Unknown;
        }
        Self::Unix(if let Some(path) = address.as_pathname() {
            UnixAddress::Path(path.to_owned())
        } else {
            abstract_name(address).map_or(UnixAddress::Unnamed, UnixAddress::Abstract)
        })
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn abstract_name(address: &SockAddr) -> Option<Vec<u8>> {
    address.as_abstract_namespace().map(<[u8]>::to_vec)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn abstract_name(_address: &SockAddr) -> Option<Vec<u8>> {
    None
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Inet(address)
    }
}

impl From<UnixAddress> for Address {
    fn from(address: UnixAddress) -> Self {
        Self::Unix(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) => address.fmt(f),
            Self::Unix(address) => address.fmt(f),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

/// The address of a UNIX socket.
///
/// Made from a path or a text. A text that begins with `@`, or with a zero byte, is a name in the
/// abstract namespace of Linux: there is no file, and the name is free again when the socket is
/// closed. An empty path, or one that contains a zero byte, can neither be listened on nor
/// connected to: that is an error of the kind `InvalidInput`.
///
/// # Examples
///
/// ```
/// use reactor::UnixAddress;
///
/// assert_eq!(UnixAddress::from("/run/echo").to_string(), "/run/echo");
/// assert_eq!(UnixAddress::from("@echo"), UnixAddress::Abstract(b"echo".to_vec()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UnixAddress {
    /// A file.
    Path(PathBuf),
    /// A name in the abstract namespace of Linux, without its leading zero byte.
    Abstract(Vec<u8>),
    /// A socket that was not bound, such as a client's.
    Unnamed,
}

impl UnixAddress {
    /// The file, if it is one.
    pub fn as_path(&self) -> Option<&Path> {
        match self {
            Self::Path(path) => Some(path),
            Self::Abstract(_) | Self::Unnamed => None,
        }
    }

    /// The address in the form that system calls take.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for an address that a socket can neither listen on nor connect to: an
    /// unnamed one, an empty path, or a path that is too long or contains a zero byte, where
    /// the system would cut it.
    pub(crate) fn to_system(&self) -> io::Result<SockAddr> {
        match self {
            Self::Path(path) if path.as_os_str().is_empty() => {
                Err(invalid("the path of a UNIX socket is empty"))
            }
            // `SockAddr::unix` would take a path that begins with a zero byte for an abstract name.
            Self::Path(path) if path.as_os_str().as_bytes().contains(&0) => {
                Err(invalid("the path of a UNIX socket contains a zero byte"))
            }
            Self::Path(path) => SockAddr::unix(path),
            Self::Abstract(name) => {
                // On Linux, an abstract name follows a zero byte, and ends where the address ends:
                // no zero byte terminates it (unix(7)).
                let name = [b"\0", name.as_slice()].concat();
                SockAddr::unix(OsStr::from_bytes(&name))
            }
            Self::Unnamed => Err(invalid("an unnamed UNIX socket has no address")),
        }
    }
}

fn invalid(message: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

impl From<&OsStr> for UnixAddress {
    fn from(name: &OsStr) -> Self {
        match name.as_bytes() {
            // `@` is how `ss` and systemd write the zero byte of an abstract name.
            [b'@' | 0, name @ ..] => Self::Abstract(name.to_vec()),
            _ => Self::Path(name.into()),
        }
    }
}

impl From<&str> for UnixAddress {
    fn from(name: &str) -> Self {
        Self::from(OsStr::new(name))
    }
}

impl From<String> for UnixAddress {
    fn from(name: String) -> Self {
        Self::from(name.as_str())
    }
}

impl From<&Path> for UnixAddress {
    fn from(path: &Path) -> Self {
        Self::from(path.as_os_str())
    }
}

impl From<PathBuf> for UnixAddress {
    fn from(path: PathBuf) -> Self {
        Self::from(path.as_os_str())
    }
}

impl From<&PathBuf> for UnixAddress {
    fn from(path: &PathBuf) -> Self {
        Self::from(path.as_os_str())
    }
}

impl fmt::Display for UnixAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Abstract(name) => write!(f, "@{}", name.escape_ascii()),
            Self::Unnamed => f.write_str("an unnamed socket"),
        }
    }
}
