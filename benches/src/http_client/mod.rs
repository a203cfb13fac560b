//! `client`: an HTTP client with 32 requests at once over kept connections, next to reqwest on
//! Tokio, in one thread.
//!
//! The server is another process; the client's processor time and instructions are counted.

mod on_tokio;
mod ours;

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use crate::echo::server::{self, Server};
use crate::requests::cpu_time;
use crate::stats::{Estimate, ratios};
use crate::table::Table;
use crate::tools;

/// How to measure HTTP clients.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// A few seconds in all: shows that it works, not how fast it is
    #[arg(long)]
    short: bool,
    /// Rounds: in each, every contender runs once
    #[arg(long, default_value_t = 11)]
    rounds: usize,
    /// Requests of one contender in a round
    #[arg(long, default_value_t = 10_000)]
    requests: usize,
    /// Runs this contender once, `ours` or `reqwest`: what a tool counts
    #[arg(long, requires = "server")]
    only_run: Option<String>,
    /// The server of that run
    #[arg(long)]
    server: Option<SocketAddr>,
}

impl Options {
    /// What continuous integration runs.
    pub(crate) fn short() -> Self {
        Self {
            short: true,
            rounds: 2,
            requests: 500,
            only_run: None,
            server: None,
        }
    }
}

/// Requests that are under way at once.
const AT_ONCE: usize = 32;

/// Tells what was used of the processor.
type Times = fn() -> Duration;

type Contender = fn(&str, usize, Times) -> Result<Duration, Box<dyn Error>>;

const CONTENDERS: [(&str, Contender); 2] = [("ours", ours::run), ("reqwest", on_tokio::run)];

pub(crate) fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let options = if options.short {
        Options::short()
    } else {
        options
    };
    if let (Some(contender), Some(address)) = (&options.only_run, options.server) {
        let contender = CONTENDERS.iter().find(|(name, _)| name == contender);
        let (_, run) = contender.ok_or("no such contender")?;
        // Callgrind does not get along with how `rustix` asks for the time.
        run(&url(address), options.requests, || Duration::ZERO)?;
        return Ok(());
    }
    println!(
        "client: {} GETs, {AT_ONCE} at once: what the client takes for one; {} rounds",
        options.requests, options.rounds
    );
    println!();
    let servers = server::built_of(&["web_app"]);
    let Some((_, path)) = servers.first() else {
        return Ok(());
    };
    let server = Server::start(&[path.clone().into_os_string()])?;
    let mut times = [const { Vec::new() }; 2];
    for round in 0..=options.rounds {
        for (times, (_, run)) in times.iter_mut().zip(CONTENDERS) {
            let time = run(&url(server.address), options.requests, cpu_time)?;
            // The first round warms up.
            if round > 0 {
                times.push(time.as_secs_f64() * 1e6 / options.requests as f64);
            }
        }
    }
    let [ours, peer] = times;
    let mut table = Table::new(["what", "ours", "reqwest", "ours to reqwest"]);
    table.row([
        "processor time, µs".into(),
        format!("{:.2}", Estimate::of(&ours).median),
        format!("{:.2}", Estimate::of(&peer).median),
        Estimate::of(&ratios(&ours, &peer)).text(),
    ]);
    if tools::is_installed(tools::CALLGRIND.name) {
        let count = |name| instructions(name, server.address, options.requests);
        let (ours, peer) = (count("ours")?, count("reqwest")?);
        table.row([
            "user instructions".into(),
            format!("{ours:.0}"),
            format!("{peer:.0}"),
            format!("{:.2}", ours / peer),
        ]);
    } else {
        println!("client: valgrind is not installed: instructions are left out");
    }
    table.print();
    Ok(())
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}/")
}

/// Instructions for one request: of two runs, the difference is that of their requests.
fn instructions(
    contender: &str,
    address: SocketAddr,
    requests: usize,
) -> Result<f64, Box<dyn Error>> {
    let few = requests.min(1000);
    let count = |requests: usize| {
        let (address, requests) = (address.to_string(), requests.to_string());
        tools::own_instructions(&[
            "client",
            "--only-run",
            contender,
            "--server",
            &address,
            "--requests",
            &requests,
        ])
    };
    Ok((count(2 * few)? - count(few)?) / few as f64)
}
