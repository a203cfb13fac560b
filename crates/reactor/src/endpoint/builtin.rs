//! Built-in prefixes: `tcp`, `unix`, `stdio`, `fd`, `systemd`, `haproxy`.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::RawFd;

use super::client::ClientEndpoint;
use super::descriptor::InheritedFd;
use super::parse::{Arguments, EndpointError, EndpointErrorKind, EndpointParser};
use super::server::ServerEndpoint;
use super::stdio::Stdio;
use super::systemd::{SocketFamily, SystemdSocket};
use super::tcp::host_port;

use crate::address::UnixAddress;
use crate::filter::proxy_protocol::ProxyProtocol;
use crate::tcp::{Family, TcpConnectOptions, TcpListenOptions};
use crate::unix::{UnixConnectOptions, UnixListenOptions};

type Result<T> = std::result::Result<T, EndpointError>;
type Client = Box<dyn ClientEndpoint>;
type Server = Box<dyn ServerEndpoint>;

impl EndpointParser {
    /// A parser with the prefixes of this crate.
    pub fn new() -> Self {
        add_to(Self::empty())
    }
}

impl Default for EndpointParser {
    fn default() -> Self {
        Self::new()
    }
}

fn add_to(parser: EndpointParser) -> EndpointParser {
    let families = [
        ("tcp", Family::Any),
        ("tcp4", Family::V4),
        ("tcp6", Family::V6),
    ];
    let parser = families
        .into_iter()
        .fold(parser, |parser, (prefix, family)| {
            parser
                .with_client(prefix, move |arguments| tcp_client(arguments, family))
                .with_server(prefix, move |arguments| tcp_server(arguments, family))
        });
    parser
        .with_client("unix", unix_client)
        .with_server("unix", unix_server)
        .with_client("stdio", |_arguments| Ok(Box::new(Stdio)))
        .with_server("stdio", |_arguments| Ok(Box::new(Stdio)))
        .with_client("fd", fd_client)
        .with_server("fd", fd_server)
        .with_server("systemd", systemd_server)
        .with_server("haproxy", haproxy_server)
}

fn tcp_client(arguments: &mut Arguments<'_>, family: Family) -> Result<Client> {
    let host = arguments.require_text("host")?;
    let port = arguments.port("port")?;
    let target =
        host_port(&host, port).map_err(|why| EndpointError::bad_value("host", &host, why))?;
    let mut options = TcpConnectOptions::new(target).only(family);
    if let Some(timeout) = arguments.seconds("timeout")? {
        options = options.timeout(timeout);
    }
    if let Some(given) = arguments.keyword("bindAddress") {
        // Without a port, the system chooses one.
        let address = match given.parse::<IpAddr>() {
            Ok(ip) => SocketAddr::new(ip, 0),
            Err(_) => given.parse().map_err(|_not_an_address| {
                EndpointError::bad_value("bindAddress", &given, "is not an IP address")
            })?,
        };
        options = options.bind_address(address);
    }
    Ok(Box::new(options))
}

fn tcp_server(arguments: &mut Arguments<'_>, family: Family) -> Result<Server> {
    let port = arguments.port("port")?;
    let interface = arguments
        .take_text("interface")
        // `interface=` without a value means all addresses, as in Twisted.
        .filter(|host| !host.is_empty());
    let interface = interface.as_deref().unwrap_or("*");
    let address = host_port(interface, port)
        .map_err(|why| EndpointError::bad_value("interface", interface, why))?;
    let mut options = TcpListenOptions::new(address).only(family);
    if let Some(backlog) = backlog(arguments)? {
        options = options.backlog(backlog);
    }
    Ok(Box::new(options))
}

fn backlog(arguments: &mut Arguments<'_>) -> Result<Option<u16>> {
    let backlog = arguments.number("backlog", 1..=u16::MAX.into())?;
    // Cannot fail: the range ends at `u16::MAX`.
    Ok(backlog.map(|backlog| u16::try_from(backlog).unwrap_or(u16::MAX)))
}

fn unix_client(arguments: &mut Arguments<'_>) -> Result<Client> {
    let mut options = UnixConnectOptions::new(path(arguments)?);
    if let Some(timeout) = arguments.seconds("timeout")? {
        options = options.timeout(timeout);
    }
    Ok(Box::new(options))
}

fn unix_server(arguments: &mut Arguments<'_>) -> Result<Server> {
    let address = path(arguments)?;
    // A lock file is the default, as in Twisted: the lock of a crashed server is free, so the next
    // one can replace the socket file.
    let locks = arguments.flag("lockfile")?.unwrap_or(true) && address.as_path().is_some();
    let mut options = UnixListenOptions::new(address).lock(locks);
    if let Some(mode) = arguments.keyword("mode") {
        let bits = u32::from_str_radix(&mode, 8)
            .ok()
            .filter(|bits| *bits <= 0o777);
        let bits = bits.ok_or_else(|| {
            EndpointError::bad_value("mode", &mode, "is not an octal number up to 777")
        })?;
        options = options.mode(bits);
    }
    if let Some(backlog) = backlog(arguments)? {
        options = options.backlog(backlog);
    }
    Ok(Box::new(options))
}

fn path(arguments: &mut Arguments<'_>) -> Result<UnixAddress> {
    let given = arguments.require("address")?;
    if given.is_empty() {
        return Err(EndpointError::bad_value(
            "address",
            &given,
            "is not the path of a UNIX socket",
        ));
    }
    Ok(UnixAddress::from(given))
}

fn descriptor(name: &str, given: &str) -> Result<RawFd> {
    let number = given.parse().ok().filter(|number| *number >= 0);
    number.ok_or_else(|| EndpointError::bad_value(name, given, "is not the number of a descriptor"))
}

fn fd_client(arguments: &mut Arguments<'_>) -> Result<Client> {
    let input = arguments.require("fd")?;
    let input = descriptor("fd", &input)?;
    let output = match arguments.take("output") {
        Some(output) => descriptor("output", &output)?,
        // A socket is one descriptor for both directions.
        None => input,
    };
    Ok(Box::new(InheritedFd::pipes(input, output)))
}

fn fd_server(arguments: &mut Arguments<'_>) -> Result<Server> {
    let number = arguments.require("fd")?;
    Ok(Box::new(InheritedFd::new(descriptor("fd", &number)?)))
}

fn systemd_server(arguments: &mut Arguments<'_>) -> Result<Server> {
    let family = match arguments.take("domain") {
        None => None,
        Some(domain) => Some(match domain.as_str() {
            "INET" => SocketFamily::Inet,
            "INET6" => SocketFamily::Inet6,
            "UNIX" => SocketFamily::Unix,
            _ => {
                let why = "must be INET, INET6 or UNIX";
                return Err(EndpointError::bad_value("domain", &domain, why));
            }
        }),
    };
    let socket = match arguments.keyword("name") {
        Some(name) => SystemdSocket::named(name),
        None => {
            let index = arguments.number("index", 0..=u16::MAX.into())?;
            SystemdSocket::index(index.unwrap_or(0))
        }
    };
    Ok(Box::new(match family {
        Some(family) => socket.expect_family(family),
        None => socket,
    }))
}

fn haproxy_server(arguments: &mut Arguments<'_>) -> Result<Server> {
    // `from` has no default, because an allowed sender can claim any client address.
    let Some(from) = arguments.keyword("from") else {
        let message =
            "it has no from=, the senders of PROXY headers: IP addresses between commas, or any";
        return Err(EndpointError::new(
            EndpointErrorKind::Missing,
            message.to_owned(),
        ));
    };
    let proxy = if from == "any" {
        ProxyProtocol::from_any()
    } else {
        let addresses = from.split(',').map(str::parse::<IpAddr>);
        let addresses: std::result::Result<Vec<_>, _> = addresses.collect();
        ProxyProtocol::from_addresses(addresses.map_err(|_not_an_address| {
            EndpointError::bad_value("from", &from, "must be IP addresses between commas, or any")
        })?)
    };
    let endpoint = arguments.rest();
    if endpoint.is_empty() {
        let message = "it has no endpoint at its end, such as tcp:8080";
        return Err(EndpointError::new(
            EndpointErrorKind::Missing,
            message.to_owned(),
        ));
    }
    // Parsed by the parser that is running, because the endpoint may have a prefix that the program
    // has added, such as `tls`.
    let endpoint = arguments.parser().server(&endpoint)?;
    Ok(Box::new(proxy.endpoint(endpoint)))
}
