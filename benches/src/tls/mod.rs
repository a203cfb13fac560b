//! `tls`: TLS servers next to `tokio-rustls`: echoes, many small writes, handshakes, idle
//! connections.
//!
//! All have the same rustls, provider and certificate. Servers take turns, as in `echo`.

mod handshakes;
mod idle;
pub(crate) mod load;
mod writes;

use std::error::Error;
use std::ffi::OsString;
use std::time::Duration;

use self::load::Load;
use crate::echo::server;
use crate::load::cost;
use crate::stats::{Estimate, median, ratios};
use crate::table::Table;

pub(crate) const OURS: &str = "tls_echo_reactor";
pub(crate) const TOKIO: &str = "tls_echo_tokio";
pub(crate) const WRITES: &str = "tls_writes_reactor";

/// How to measure TLS servers.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// A few seconds in all: shows that it works, not how fast it is
    #[arg(long)]
    short: bool,
    /// Rounds: in each, every server runs once
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Milliseconds that a server runs in each round
    #[arg(long, default_value_t = 150)]
    time: u64,
    /// Connections of the echoes
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// Handshakes with a server in each round
    #[arg(long, default_value_t = 200)]
    handshakes: usize,
    /// Connections on which nothing happens
    #[arg(long, default_value_t = 1000)]
    idle: usize,
    /// Only these tables, separated by commas: echo, writes, handshakes, idle
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

impl Options {
    /// What continuous integration runs.
    pub(crate) fn short() -> Self {
        Self {
            short: true,
            rounds: 2,
            time: 10,
            connections: 2,
            handshakes: 5,
            idle: 20,
            only: Vec::new(),
        }
    }

    fn wants(&self, table: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == table)
    }
}

pub(crate) fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let options = match options.short {
        true => Options {
            only: options.only,
            ..Options::short()
        },
        false => options,
    };
    if [OURS, TOKIO, WRITES].map(server::find).contains(&None) {
        println!("tls: the servers are not built (cargo build --release -p benches): left out");
        return Ok(());
    }
    if options.wants("echo") {
        echo(&options)?;
    }
    if options.wants("writes") {
        writes::run(options.rounds)?;
    }
    if options.wants("handshakes") {
        handshakes::run(options.rounds, options.handshakes)?;
    }
    if options.wants("idle") {
        idle::run(options.idle)?;
    }
    Ok(())
}

/// The command of the server `name`; `arguments` come before its port.
fn command(name: &str, arguments: &[&str]) -> Result<Vec<OsString>, Box<dyn Error>> {
    let path = server::find(name).ok_or("the server was built before")?;
    let arguments = arguments.iter().map(OsString::from);
    Ok([OsString::from(path)]
        .into_iter()
        .chain(arguments)
        .collect())
}

/// A server, with a name for the tables.
struct Entrant {
    name: &'static str,
    command: Vec<OsString>,
}

impl Entrant {
    fn new(name: &'static str, server: &str, arguments: &[&str]) -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            name,
            command: command(server, arguments)?,
        })
    }

    /// Ours, and the peer with both sizes of its buffer.
    fn all() -> Result<[Self; 3], Box<dyn Error>> {
        Ok([
            Self::new("ours", OURS, &[])?,
            Self::new("tokio-rustls, 16 KiB", TOKIO, &["16"])?,
            Self::new("tokio-rustls, 64 KiB", TOKIO, &["64"])?,
        ])
    }
}

/// Runs `measure` with the commands of the servers in turn, so many rounds; gives what it found
/// for each.
fn in_turn<const N: usize>(
    servers: [&Entrant; N],
    rounds: usize,
    measure: impl Fn(&[OsString]) -> Result<f64, Box<dyn Error>>,
) -> Result<[Vec<f64>; N], Box<dyn Error>> {
    let mut found = [const { Vec::new() }; N];
    for _ in 0..rounds {
        for (server, found) in servers.into_iter().zip(&mut found) {
            found.push(measure(&server.command)?);
        }
    }
    Ok(found)
}

/// Processor time of the server per request, for messages of several sizes.
fn echo(options: &Options) -> Result<(), Box<dyn Error>> {
    println!(
        "tls echo: processor time of the server for a request, in us; {} connections, {} rounds",
        options.connections, options.rounds
    );
    println!();
    let mut table = Table::new([
        "bytes",
        "ours",
        "tokio-rustls, 16 KiB",
        "tokio-rustls, 64 KiB",
        "ours to 16 KiB",
        "ours to 64 KiB",
        "the control",
    ]);
    let time = Duration::from_millis(options.time);
    let [ours, small, large] = Entrant::all()?;
    for size in [64, 4 * 1024, 16 * 1024, 64 * 1024, 256 * 1024] {
        let turns = [&ours, &small, &large, &large];
        let [ours, small, large, control] = in_turn(turns, options.rounds, |command| {
            let connect = |address| Load::connect(address, options.connections, size);
            Ok(cost(command, time, connect)?.microseconds_per_request)
        })?;
        let middle = |times: &[f64]| format!("{:.2}", median(&mut times.to_vec()));
        let ratio = |one: &[f64], other: &[f64]| Estimate::of(&ratios(one, other)).text();
        table.row([
            size.to_string(),
            middle(&ours),
            middle(&small),
            middle(&large),
            ratio(&ours, &small),
            ratio(&ours, &large),
            ratio(&control, &large),
        ]);
    }
    table.print();
    Ok(())
}
