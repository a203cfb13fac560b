//! `web`: what a request costs a web server: processor time, instructions, system calls.
//!
//! Servers take turns, a fresh process for each round, and a ratio is that of two results of
//! one round.

mod load;

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use self::load::{Load, Scenario};
use crate::contest::nothing;
use crate::echo::server::find;
use crate::load::{cost, counts};
use crate::stats::{median, ratios};
use crate::table::Table;
use crate::tools;

/// The servers, each with the peer that it is compared with.
const SERVERS: [(&str, &str); 4] = [
    ("web_hyper_tokio", "web_hyper_tokio"),
    ("web_io", "web_hyper_tokio"),
    ("web_axum_tokio", "web_axum_tokio"),
    ("web_app", "web_axum_tokio"),
];

/// How to measure web servers.
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
    /// Only these, separated by commas: hello, pipe16, 64k, 1m
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
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
            only: Vec::new(),
            count: false,
        }
    }

    fn scenarios(&self) -> impl Iterator<Item = Scenario> {
        let is_wanted =
            |one: &Scenario| self.only.is_empty() || self.only.iter().any(|it| it == one.name);
        Scenario::ALL.into_iter().filter(is_wanted)
    }
}

pub(crate) fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let options = if options.short {
        Options {
            only: options.only,
            count: options.count,
            ..Options::short()
        }
    } else {
        options
    };
    let servers: Vec<(&str, &str, PathBuf)> = SERVERS
        .into_iter()
        .filter_map(|(name, peer)| Some((name, peer, find(name)?)))
        .collect();
    if servers.len() < SERVERS.len() {
        println!("web: some servers are not built (cargo build --release -p benches)");
    }
    if options.count {
        tool_counts(&options, &servers)
    } else {
        times(&options, &servers)
    }
}

fn times(options: &Options, servers: &[(&str, &str, PathBuf)]) -> Result<(), Box<dyn Error>> {
    println!(
        "web: processor time of the server per request; {} rounds of {} ms",
        options.rounds, options.time
    );
    println!();
    let time = Duration::from_millis(options.time);
    let mut table = Table::new(["scenario", "server", "us per request", "to its peer"]);
    for scenario in options.scenarios() {
        let mut costs = vec![Vec::new(); servers.len()];
        for _ in 0..options.rounds {
            for (costs, (_, _, path)) in costs.iter_mut().zip(servers) {
                let command = [path.clone().into()];
                let cost = cost(&command, time, |address| Load::connect(address, &scenario))?;
                costs.push(cost.microseconds_per_request);
            }
        }
        for ((name, peer, _), own) in servers.iter().zip(&costs) {
            let peers = servers.iter().position(|(name, ..)| name == peer);
            let ratio = peers.map_or_else(nothing, |peer| {
                format!("{:.2}", median(&mut ratios(own, &costs[peer])))
            });
            let cost = format!("{:.2}", median(&mut own.clone()));
            table.row([scenario.name.to_owned(), (*name).to_owned(), cost, ratio]);
        }
    }
    table.print();
    Ok(())
}

/// A tool counts over the whole life of a server, so each server runs twice, with different
/// numbers of requests; the difference is theirs alone.
fn tool_counts(options: &Options, servers: &[(&str, &str, PathBuf)]) -> Result<(), Box<dyn Error>> {
    let tools = [
        (tools::CALLGRIND, "user instructions"),
        (tools::STRACE, "system calls"),
    ];
    let mut table = Table::new(["scenario", "server", "counted", "per request"]);
    for (tool, what) in tools {
        if !tools::is_installed(tool.name) {
            println!("web: {} is not installed; skipped", tool.name);
            continue;
        }
        for scenario in options.scenarios() {
            for (name, _, path) in servers {
                let run = |requests| -> Result<(u64, u64), Box<dyn Error>> {
                    let connect = |address| Load::connect(address, &scenario);
                    let (counts, made) = counts(tool, path, connect, requests)?;
                    Ok((counts.values().sum(), made))
                };
                let (few, requests_of_few) = run(1000)?;
                let (many, requests_of_many) = run(4000)?;
                let requests = (requests_of_many - requests_of_few) as f64;
                table.row([
                    scenario.name.to_owned(),
                    (*name).to_owned(),
                    what.to_owned(),
                    format!("{:.2}", (many as f64 - few as f64) / requests),
                ]);
            }
        }
    }
    table.print();
    Ok(())
}
