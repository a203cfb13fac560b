//! `web`: what a request costs a web server: processor time, instructions, system calls.
//!
//! Servers take turns, a fresh process for each round, and a ratio is that of two results of
//! one round.

mod h2;
mod idle;
mod load;
mod servers;

use std::error::Error;
use std::time::Duration;

use self::load::Scenario;
use self::servers::{Entrant, TWISTED};
use crate::contest::nothing;
use crate::load::{cost, counts};
use crate::stats::{median, ratios};
use crate::table::Table;
use crate::tools;

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
    /// Only these, separated by commas: hello, pipe16, 64k, 1m, file, json, h2, https, idle
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Connections on which nothing happens
    #[arg(long, default_value_t = 10_000)]
    idle: usize,
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
            idle: 50,
            only: Vec::new(),
            count: false,
        }
    }

    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|wanted| wanted == name)
    }

    fn scenarios(&self) -> impl Iterator<Item = Scenario> {
        let all = Scenario::ALL.into_iter();
        all.filter(|scenario| self.wants(scenario.name))
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
    if options.count {
        return tool_counts(&options);
    }
    times(&options)?;
    if options.wants("idle") {
        let pause = if options.short {
            Duration::ZERO
        } else {
            idle::PARKED
        };
        idle::run(options.idle, pause)?;
    }
    Ok(())
}

/// What one server has used for a request, in each round.
#[derive(Default)]
struct Times {
    all: Vec<f64>,
    user: Vec<f64>,
}

impl Times {
    /// The median of the ratios of the rounds, and the ratio of all time outside of the kernel,
    /// which is counted too coarsely for one round.
    fn ratios(&self, peer: &Self) -> [String; 2] {
        let all = median(&mut ratios(&self.all, &peer.all));
        let user = mean(&self.user) / mean(&peer.user);
        [all, user].map(|ratio| format!("{ratio:.2}"))
    }
}

fn mean(samples: &[f64]) -> f64 {
    samples.iter().sum::<f64>() / samples.len() as f64
}

fn times(options: &Options) -> Result<(), Box<dyn Error>> {
    println!(
        "web: processor time of the server per request, in us; {} rounds of {} ms",
        options.rounds, options.time
    );
    println!();
    let time = Duration::from_millis(options.time);
    let mut table = Table::new([
        "scenario",
        "server",
        "all",
        "outside of the kernel",
        "to its peer",
        "outside of the kernel",
        "to Twisted.web",
        "outside of the kernel",
    ]);
    for scenario in options.scenarios() {
        let entrants = Entrant::of(&scenario, true);
        let mut found: Vec<Times> = entrants.iter().map(|_| Times::default()).collect();
        for _ in 0..options.rounds {
            for (found, entrant) in found.iter_mut().zip(&entrants) {
                let cost = cost(&entrant.command, time, |address| scenario.connect(address))?;
                found.all.push(cost.microseconds_per_request);
                found.user.push(cost.user_microseconds_per_request);
            }
        }
        let of = |name: &str| {
            let place = entrants.iter().position(|entrant| entrant.name == name)?;
            Some(&found[place])
        };
        for (entrant, own) in entrants.iter().zip(&found) {
            let to = |name| match of(name) {
                Some(peer) => own.ratios(peer),
                None => [nothing(), nothing()],
            };
            let [peer, peer_user] = to(entrant.peer);
            let [twisted, twisted_user] = to(TWISTED);
            table.row([
                scenario.name.to_owned(),
                entrant.name.to_owned(),
                format!("{:.2}", median(&mut own.all.clone())),
                format!("{:.2}", mean(&own.user)),
                peer,
                peer_user,
                twisted,
                twisted_user,
            ]);
        }
    }
    table.print();
    Ok(())
}

/// A tool counts over the whole life of a server, so each server runs twice, with different
/// numbers of requests; the difference is theirs alone.
fn tool_counts(options: &Options) -> Result<(), Box<dyn Error>> {
    let tools = [
        (tools::CALLGRIND, "user instructions"),
        (tools::STRACE, "system calls"),
    ];
    let mut table = Table::new([
        "scenario",
        "server",
        "counted",
        "per request",
        "to its peer",
    ]);
    for (tool, what) in tools {
        if !tools::is_installed(tool.name) {
            println!("web: {} is not installed; skipped", tool.name);
            continue;
        }
        for scenario in options.scenarios() {
            let mut found: Vec<(&str, f64)> = Vec::new();
            for entrant in Entrant::of(&scenario, false) {
                let run = |requests| -> Result<(u64, u64), Box<dyn Error>> {
                    let connect = |address| scenario.connect(address);
                    let (counts, made) = counts(tool, &entrant.command, connect, requests)?;
                    Ok((counts.values().sum(), made))
                };
                let (few, requests_of_few) = run(1000)?;
                let (many, requests_of_many) = run(4000)?;
                let requests = (requests_of_many - requests_of_few) as f64;
                let own = (many as f64 - few as f64) / requests;
                found.push((entrant.name, own));
                let peer = found.iter().find(|(name, _)| *name == entrant.peer);
                table.row([
                    scenario.name.to_owned(),
                    entrant.name.to_owned(),
                    what.to_owned(),
                    format!("{own:.2}"),
                    peer.map_or_else(nothing, |(_, peer)| format!("{:.2}", own / peer)),
                ]);
            }
        }
    }
    table.print();
    Ok(())
}
