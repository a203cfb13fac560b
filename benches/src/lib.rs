//! What the echo servers share: how each is started, and how it ends.
//!
//! A server is started as `NAME PORT`. When it accepts connections it prints one
//! line: `ready` if it was given a port, `ready NUMBER` if that was 0 and the
//! system chose. It ends at SIGTERM, and when the process that started it
//! ends. It has one thread, unless its name says otherwise: in a program with more of
//! them, the C library's system calls and its allocator are dearer.

pub mod tls_configs;

use std::error::Error;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use reactor::{Factory, Reactor};
use reactor_tls::TlsServer;
use rustix::net::sockopt;
use rustix::process::{Signal, set_parent_process_death_signal};
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;

/// What a server reads into at once.
pub const BUFFER_SIZE: usize = 64 * 1024;

/// Idle timeout of the servers with timers: longer than any measurement.
pub const AGE: Duration = Duration::from_secs(3600);

/// The address to listen at, from the command line.
///
/// # Errors
///
/// If the last argument is not a port.
pub fn address() -> io::Result<SocketAddr> {
    let port = std::env::args()
        .next_back()
        .and_then(|argument| argument.parse().ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "usage: NAME PORT"))?;
    Ok((Ipv4Addr::LOCALHOST, port).into())
}

/// Listens at [`address`], without blocking, and says that it does. What is accepted has
/// `TCP_NODELAY`, as with the reactor: on Linux, connections have that of the listener.
///
/// # Errors
///
/// Those of [`address`], and of listening.
pub fn listen() -> io::Result<TcpListener> {
    let wanted = address()?;
    let listener = TcpListener::bind(wanted)?;
    listener.set_nonblocking(true)?;
    sockopt::set_tcp_nodelay(&listener, true)?;
    ready(wanted, listener.local_addr()?)?;
    Ok(listener)
}

/// Listens on `reactor` at [`address`], and says that it does.
///
/// # Errors
///
/// Those of [`address`], and of listening.
pub fn listen_on_reactor(reactor: &Reactor, factory: impl Factory) -> Result<(), Box<dyn Error>> {
    let wanted = address()?;
    let port = reactor.listen_tcp(wanted, factory)?;
    Ok(ready(wanted, port.address())?)
}

/// The same with TLS, if the server was started with the mode `tls`.
///
/// # Errors
///
/// As there, and if no certificate can be made.
pub fn listen_web(reactor: &Reactor, factory: impl Factory) -> Result<(), Box<dyn Error>> {
    if mode() != "tls" {
        return listen_on_reactor(reactor, factory);
    }
    let tls: TlsServer = tls_configs::our_server()?;
    listen_on_reactor(reactor, tls.factory(factory))
}

/// What a web server is started with before its port: `h2`, `tls` or nothing.
pub fn mode() -> String {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next();
    arguments.next().and(first).unwrap_or_default()
}

/// Serves each connection to [`listen`]'s address in a task of Tokio's.
///
/// # Errors
///
/// Those of [`listen`], and of accepting.
pub async fn serve_on_tokio<F>(serve: impl Fn(TcpStream) -> F) -> io::Result<()>
where
    F: Future<Output: Send> + Send + 'static,
{
    let listener = tokio::net::TcpListener::from_std(listen()?)?;
    loop {
        let (stream, _peer) = listener.accept().await?;
        // A connection that breaks is the client's affair.
        tokio::spawn(serve(stream));
    }
}

/// Says that the server, which was to listen at `wanted`, listens at `bound`; and
/// sees to it that it does not outlive its parent.
///
/// # Errors
///
/// If standard output is gone.
pub fn ready(wanted: SocketAddr, bound: SocketAddr) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::TERM))?;
    let mut output = io::stdout().lock();
    if wanted.port() == 0 {
        writeln!(output, "ready {}", bound.port())?;
    } else {
        writeln!(output, "ready")?;
    }
    output.flush()
}

/// What the web servers answer for a path.
pub fn web_body(path: &str) -> &'static [u8] {
    static LARGE: [u8; 1024 * 1024] = [b'x'; 1024 * 1024];
    match path {
        "/64k" => &LARGE[..64 * 1024],
        "/1m" => &LARGE,
        _ => b"Hello, World!",
    }
}

/// What the web servers read and answer as JSON.
#[derive(Debug, Serialize, Deserialize)]
pub struct Order {
    /// Its number.
    pub id: u64,
    /// The customer.
    pub name: String,
    /// Articles.
    pub items: Vec<Item>,
}

/// An article of an [`Order`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Item {
    /// What it is.
    pub article: String,
    /// How many.
    pub count: u32,
}

/// An [`Order`] of about 1 KiB.
pub fn json_order() -> String {
    let items = (0..24).map(|n| Item {
        article: format!("an article, number {n}"),
        count: n,
    });
    let order = Order {
        id: 1_234_567,
        name: "a customer".to_owned(),
        items: items.collect(),
    };
    // No key of a map is anything but text.
    serde_json::to_string(&order).unwrap_or_default()
}
