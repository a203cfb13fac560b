//! `echo`: requests per second, and processor time per request, of echo servers
//! that are on the same machine as their client.
//!
//! Servers take turns, a fresh process for each round, and a ratio is that of two
//! results of one round. One server takes part twice: what it seems to win or
//! lose against itself is what this machine cannot tell.

pub(crate) mod idle;
pub(crate) mod load;
pub(crate) mod per_request;
pub(crate) mod scenario;
pub(crate) mod server;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::load::Load;
use self::scenario::Scenario;
use crate::load::cost;
use crate::stats::{Estimate, median, ratios};
use crate::table::Table;

/// How to measure echo servers.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// A few seconds in all: shows that it works, not how fast it is
    #[arg(long)]
    short: bool,
    /// Rounds: in each, every server runs once
    #[arg(long, default_value_t = 20)]
    rounds: usize,
    /// Milliseconds that a server runs in each round
    #[arg(long, default_value_t = 250)]
    time: u64,
    /// Only these, separated by commas: pp1, pp50, pp1000, pipe16, bulk, bulk2, churn
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

impl Options {
    /// What continuous integration runs.
    pub(crate) fn short() -> Self {
        Self {
            short: true,
            rounds: 2,
            time: 20,
            only: Vec::new(),
        }
    }
}

/// What a second core brings: pairs of servers, the second of which has two threads.
pub(crate) fn scaling(options: Options) -> Result<(), Box<dyn Error>> {
    let options = if options.short {
        Options::short()
    } else {
        options
    };
    println!(
        "scaling: requests per second with two threads to those with one, where the client \
         has the same two cores; {} rounds of {} ms",
        options.rounds, options.time
    );
    println!();
    let pairs = [
        ("ours", server::OURS, server::OUR_CORES),
        ("Tokio", server::TOKIO, server::TOKIO_THREADS),
    ];
    let mut table = Table::new([
        "servers",
        "scenario",
        "one",
        "two",
        "two to one",
        "CPU a request, two to one",
        "with two, to Tokio's",
    ]);
    for scenario in Scenario::named(&["pp50".into(), "pipe16".into()]) {
        let mut pairs = pairs
            .iter()
            .map(|(name, one, two)| {
                let entrant = |name| server::find(name).map(|path| Entrant::new(name, &path));
                Some((*name, entrant(one)?, entrant(two)?))
            })
            .collect::<Option<Vec<_>>>()
            .ok_or("the servers are not built (cargo build --release -p benches)")?;
        for _ in 0..options.rounds {
            for (_, one, two) in &mut pairs {
                one.take_turn(&scenario, Duration::from_millis(options.time))?;
                two.take_turn(&scenario, Duration::from_millis(options.time))?;
            }
        }
        let tokio: Vec<f64> = pairs
            .last()
            .map(|(_, _, two)| two.requests_per_second.clone())
            .unwrap_or_default();
        for (name, one, two) in &mut pairs {
            let requests = ratios(&two.requests_per_second, &one.requests_per_second);
            let time = ratios(&two.microseconds_per_request, &one.microseconds_per_request);
            let to_tokio = ratios(&two.requests_per_second, &tokio);
            table.row([
                (*name).into(),
                scenario.name.into(),
                format!("{:.0}", median(&mut one.requests_per_second)),
                format!("{:.0}", median(&mut two.requests_per_second)),
                Estimate::of(&requests).text(),
                Estimate::of(&time).text(),
                Estimate::of(&to_tokio).text(),
            ]);
        }
    }
    table.print();
    Ok(())
}

/// One server among those that take turns.
struct Entrant {
    name: String,
    path: PathBuf,
    /// Of each round.
    requests_per_second: Vec<f64>,
    microseconds_per_request: Vec<f64>,
}

pub(crate) fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let options = if options.short {
        Options {
            only: options.only,
            ..Options::short()
        }
    } else {
        options
    };
    let built = server::built();
    let Some((_, control)) = built.iter().find(|(name, _)| *name == server::TOKIO) else {
        println!("nothing to compare with: echo is skipped");
        return Ok(());
    };
    println!(
        "echo: {} rounds of {} ms; medians, ratios with 95 % intervals",
        options.rounds, options.time
    );
    println!("a ratio above 1: more requests, or fewer microseconds, than the peer");
    for scenario in Scenario::named(&options.only) {
        let mut entrants: Vec<Entrant> = built
            .iter()
            .map(|(name, path)| Entrant::new(name, path))
            .collect();
        entrants.push(Entrant::new("echo_tokio again", control));
        for _ in 0..options.rounds {
            for entrant in &mut entrants {
                entrant.take_turn(&scenario, Duration::from_millis(options.time))?;
            }
        }
        print(&scenario, &entrants);
    }
    Ok(())
}

impl Entrant {
    fn new(name: &str, path: &Path) -> Self {
        Self {
            name: name.into(),
            path: path.into(),
            requests_per_second: Vec::new(),
            microseconds_per_request: Vec::new(),
        }
    }

    fn take_turn(&mut self, scenario: &Scenario, time: Duration) -> Result<(), Box<dyn Error>> {
        let command = [self.path.clone().into()];
        let cost = cost(&command, time, |address| Load::connect(address, scenario))?;
        self.requests_per_second.push(cost.requests_per_second);
        self.microseconds_per_request
            .push(cost.microseconds_per_request);
        Ok(())
    }
}

fn print(scenario: &Scenario, entrants: &[Entrant]) {
    let find = |name: &str| entrants.iter().find(|entrant| entrant.name == name);
    println!("\n{}", scenario.text());
    println!();
    let mut table = Table::new([
        "server",
        "requests/s",
        "CPU us/request",
        "requests to tokio's",
        "CPU to tokio's",
        "requests to epoll's",
        "CPU to epoll's",
    ]);
    for entrant in entrants {
        let [to_tokio, to_epoll] = [server::TOKIO, server::EPOLL].map(|peer| {
            find(peer)
                .filter(|peer| peer.name != entrant.name)
                .map_or_else(
                    || [(); 2].map(|()| String::from("-")),
                    |peer| compare(entrant, peer),
                )
        });
        let [requests_to_tokio, cpu_to_tokio] = to_tokio;
        let [requests_to_epoll, cpu_to_epoll] = to_epoll;
        table.row([
            entrant.name.clone(),
            format!("{:.0}", median(&mut entrant.requests_per_second.clone())),
            format!(
                "{:.2}",
                median(&mut entrant.microseconds_per_request.clone())
            ),
            requests_to_tokio,
            cpu_to_tokio,
            requests_to_epoll,
            cpu_to_epoll,
        ]);
    }
    table.print();
}

/// How many times better `entrant` is than `peer`: in requests, in processor time.
fn compare(entrant: &Entrant, peer: &Entrant) -> [String; 2] {
    [
        ratios(&entrant.requests_per_second, &peer.requests_per_second),
        ratios(
            &peer.microseconds_per_request,
            &entrant.microseconds_per_request,
        ),
    ]
    .map(|ratios| Estimate::of(&ratios).text())
}
