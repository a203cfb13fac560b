//! `idle`: what connections cost on which nothing happens, and timers that are not due.

use std::error::Error;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::server::{self, Server};
use crate::table::Table;

/// How to measure idle connections.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// A few seconds in all: shows that it works, no more
    #[arg(long)]
    short: bool,
    /// How many connections there are at the same time
    #[arg(long, default_value_t = 10_000)]
    connections: usize,
}

impl Options {
    /// What continuous integration runs.
    pub(crate) fn short() -> Self {
        Self {
            short: true,
            connections: 200,
        }
    }
}

pub(crate) fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let count = if options.short {
        Options::short().connections
    } else {
        options.connections
    };
    println!("idle: {count} connections, each of which has echoed once");
    println!();
    let mut table = Table::new([
        "server",
        "resident bytes a connection",
        "processor time in a second, ms",
    ]);
    let servers = [
        server::TOKIO,
        server::TOKIO_TIMERS,
        server::EPOLL,
        server::OURS,
        server::OUR_TIMERS,
    ];
    for (name, path) in server::built_of(&servers) {
        table.row(measure(name, &path, count)?);
    }
    table.print();
    Ok(())
}

/// What the server at `path` uses for `count` connections.
fn measure(name: &str, path: &Path, count: usize) -> Result<[String; 3], Box<dyn Error>> {
    let server = Server::start(&[path.into()])?;
    // What the first one costs, it costs once.
    let first = connect(&server)?;
    let before = resident(&server)?;
    let others = (0..count)
        .map(|_| connect(&server))
        .collect::<Result<Vec<_>, _>>()?;
    let bytes = (resident(&server)? - before) / count as f64;
    let used = server.cpu_time()?;
    thread::sleep(Duration::from_secs(1));
    let idle = server.cpu_time()? - used;
    drop((first, others));
    server.stop()?;
    Ok([
        name.into(),
        format!("{bytes:.0}"),
        format!("{:.2}", idle.as_secs_f64() * 1000.0),
    ])
}

/// A connection that was used.
fn connect(server: &Server) -> Result<TcpStream, Box<dyn Error>> {
    let mut stream = TcpStream::connect(server.address)?;
    let mut buffer = [0; 64];
    stream.write_all(&buffer)?;
    stream.read_exact(&mut buffer)?;
    Ok(stream)
}

/// The memory of a server that is there, in bytes.
pub(crate) fn resident(server: &Server) -> Result<f64, Box<dyn Error>> {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id()))?;
    let kilobytes = status
        .lines()
        .find_map(|line| {
            line.strip_prefix("VmRSS:")?
                .split_whitespace()
                .next()?
                .parse::<f64>()
                .ok()
        })
        .ok_or("status is not as expected")?;
    Ok(kilobytes * 1024.0)
}
