//! `sockets`: what an echo costs a WebSocket server: processor time, instructions, system calls.
//!
//! Servers take turns, a fresh process for each round, and a ratio is that of two results of
//! one round.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::echo::server::find;
use crate::load::{Repeated, cost, counts};
use crate::stats::{median, ratios};
use crate::table::Table;
use crate::tools;

const OURS: &str = "ws_reactor";
const THEIRS: &str = "ws_tokio";

/// Bytes of a message.
const PAYLOAD: usize = 128;

/// How to measure WebSocket servers.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// A few seconds in all: shows that it works, not how fast it is
    #[arg(long)]
    short: bool,
    /// Rounds: in each, every server runs once
    #[arg(long, default_value_t = 10)]
    rounds: usize,
    /// Milliseconds that a server runs in each round
    #[arg(long, default_value_t = 300)]
    time: u64,
    /// Counts instructions (valgrind) and system calls (strace) instead of processor time
    #[arg(long)]
    count: bool,
}

impl Options {
    /// What continuous integration runs.
    pub(crate) fn short() -> Self {
        Self {
            short: true,
            rounds: 2,
            time: 20,
            count: false,
        }
    }
}

pub(crate) fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let options = if options.short {
        Options {
            count: options.count,
            ..Options::short()
        }
    } else {
        options
    };
    let (Some(ours), Some(theirs)) = (find(OURS), find(THEIRS)) else {
        println!("sockets: the servers are not built (cargo build --release -p benches)");
        return Ok(());
    };
    println!("sockets: echoes of {PAYLOAD} bytes over WebSocket, per message");
    println!();
    if options.count {
        tool_counts(&[(OURS, ours), (THEIRS, theirs)])
    } else {
        times(&options, &[(OURS, ours), (THEIRS, theirs)])
    }
}

fn times(options: &Options, servers: &[(&str, PathBuf); 2]) -> Result<(), Box<dyn Error>> {
    let time = Duration::from_millis(options.time);
    let mut table = Table::new([
        "messages at once",
        "server",
        "us per message",
        "to its peer",
    ]);
    for batch in [1, 16] {
        let mut costs = [Vec::new(), Vec::new()];
        for _ in 0..options.rounds {
            for (costs, (_, path)) in costs.iter_mut().zip(servers) {
                let command = [path.clone().into()];
                let cost = cost(&command, time, |address| connect(address, batch))?;
                costs.push(cost.microseconds_per_request);
            }
        }
        for ((name, _), own) in servers.iter().zip(&costs) {
            let ratio = format!("{:.2}", median(&mut ratios(own, &costs[1])));
            let cost = format!("{:.2}", median(&mut own.clone()));
            table.row([batch.to_string(), (*name).to_owned(), cost, ratio]);
        }
    }
    table.print();
    Ok(())
}

/// A tool counts over the whole life of a server, so each server runs twice, with different
/// numbers of messages; the difference is theirs alone.
fn tool_counts(servers: &[(&str, PathBuf); 2]) -> Result<(), Box<dyn Error>> {
    let tools = [
        (tools::CALLGRIND, "user instructions"),
        (tools::STRACE, "system calls"),
    ];
    let mut table = Table::new(["server", "counted", "per message"]);
    for (tool, what) in tools {
        if !tools::is_installed(tool.name) {
            println!("sockets: {} is not installed; skipped", tool.name);
            continue;
        }
        for (name, path) in servers {
            let run = |messages| -> Result<(u64, u64), Box<dyn Error>> {
                let connect = |address| connect(address, 1);
                let (counts, made) = counts(tool, &[path.clone().into()], connect, messages)?;
                Ok((counts.values().sum(), made))
            };
            let (few, messages_of_few) = run(1000)?;
            let (many, messages_of_many) = run(4000)?;
            let messages = (messages_of_many - messages_of_few) as f64;
            table.row([
                (*name).to_owned(),
                what.to_owned(),
                format!("{:.2}", (many as f64 - few as f64) / messages),
            ]);
        }
    }
    table.print();
    Ok(())
}

const HANDSHAKE: &str = "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\n\
    upgrade: websocket\r\nsec-websocket-version: 13\r\n\
    sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Opens WebSockets to a server.
fn connect(address: SocketAddr, batch: usize) -> io::Result<Repeated> {
    // Binary, of 128 bytes, masked.
    let mut message = vec![0x82, 0x80 | 126, 0, PAYLOAD as u8, 1, 2, 3, 4];
    message.extend([b'x'; PAYLOAD]);
    Repeated::connect(address, 32, &message, batch, |stream| {
        stream.write_all(HANDSHAKE.as_bytes())?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.extend(byte);
        }
        if !head.starts_with(b"HTTP/1.1 101 ") {
            return Err(io::Error::other("the handshake has failed"));
        }
        // An echo is not masked.
        Ok(4 + PAYLOAD)
    })
}
