//! `syscalls` and `instructions`: what a request costs in numbers that do not
//! depend on the machine's mood.
//!
//! A tool counts over the whole life of a server, so each server runs twice, with
//! different numbers of requests; the difference is theirs alone.

use std::error::Error;

use super::load::Load;
use super::scenario::Scenario;
use super::server;
use crate::load;
use crate::table::Table;
use crate::tools::{self, Tool};

/// How to count.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// A few seconds in all: shows that it works
    #[arg(long)]
    short: bool,
    /// Requests in the shorter of two runs; the longer has three times as many
    #[arg(long, default_value_t = 5000)]
    requests: u64,
    /// Only these, separated by commas: pp1, pp50, pp1000, pipe16, bulk, bulk2, churn
    #[arg(long, value_delimiter = ',', default_value = "pp1,pp50")]
    only: Vec<String>,
}

impl Options {
    /// What continuous integration runs.
    pub(crate) fn short() -> Self {
        Self {
            short: true,
            requests: 200,
            only: vec![String::from("pp50")],
        }
    }

    fn resolved(self) -> Self {
        if self.short { Self::short() } else { self }
    }
}

/// System calls, by `strace`.
pub(crate) fn syscalls(options: Options) -> Result<(), Box<dyn Error>> {
    if !tools::is_installed("strace") {
        println!("syscalls: strace is not installed; skipped");
        return Ok(());
    }
    println!("syscalls: system calls per request, by strace -c -f");
    println!("(strace slows a server down, so that it may find more ready at once than it would)");
    per_request(options.resolved(), tools::STRACE)
}

/// Instructions outside of the kernel, by Callgrind.
pub(crate) fn instructions(options: Options) -> Result<(), Box<dyn Error>> {
    if !tools::is_installed("valgrind") {
        println!("instructions: valgrind is not installed; skipped");
        return Ok(());
    }
    println!("instructions: user-space instructions per request, by valgrind --tool=callgrind");
    per_request(options.resolved(), tools::CALLGRIND)
}

fn per_request(options: Options, tool: Tool) -> Result<(), Box<dyn Error>> {
    println!();
    let mut table = Table::new(["server, scenario", "per request", "of which"]);
    for (name, path) in server::built() {
        for scenario in Scenario::named(&options.only) {
            let run = |requests| {
                let connect = |address| Load::connect(address, &scenario);
                load::counts(tool, &[path.clone().into()], connect, requests)
            };
            let (few, requests_of_few) = run(options.requests)?;
            let (many, requests_of_many) = run(3 * options.requests)?;
            let requests = requests_of_many as f64 - requests_of_few as f64;
            let mut differences: Vec<(&str, f64)> = many
                .iter()
                .map(|(name, count)| {
                    let before = few.get(name).copied().unwrap_or(0) as f64;
                    (name.as_str(), (*count as f64 - before) / requests)
                })
                .collect();
            differences.sort_by(|(_, a), (_, b)| b.total_cmp(a));
            let sum: f64 = differences.iter().map(|(_, count)| count).sum();
            let parts: Vec<String> = differences
                .iter()
                // A single one is not listed: the sum shows it already.
                .filter(|(_, count)| *count >= 0.005 && differences.len() > 1)
                .map(|(name, count)| format!("{name} {count:.2}"))
                .collect();
            table.row([
                format!("{name}, {}", scenario.name),
                format!("{sum:.2}"),
                if parts.is_empty() {
                    String::from("-")
                } else {
                    parts.join(", ")
                },
            ]);
        }
    }
    table.print();
    Ok(())
}
