//! `profile`: the user-space instructions of a chain, which are the same on every
//! day and on every machine of a kind.
//!
//! Callgrind counts over the life of a process, so a loop over chains runs twice,
//! with different numbers of them; the difference is theirs alone.

use std::error::Error;

use super::payload::Number;
use super::{ours, peers};
use crate::contest::{Run, sized};
use crate::table::Table;
use crate::tools;

/// What to count.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// A few seconds in all: shows that it works
    #[arg(long)]
    short: bool,
    /// Run this loop and nothing else, for a profiler: ours, reference or futures
    #[arg(long, value_name = "CONTENDER", requires_all = ["callbacks", "chains"])]
    only_run: Option<String>,
    /// The callbacks of each chain
    #[arg(long)]
    callbacks: Option<usize>,
    /// The chains, one after the other
    #[arg(long)]
    chains: Option<u64>,
}

impl Options {
    /// What continuous integration runs.
    pub(crate) fn short() -> Self {
        Self {
            short: true,
            only_run: None,
            callbacks: None,
            chains: None,
        }
    }
}

const CONTENDERS: [&str; 3] = ["ours", "reference", "futures"];

pub(crate) fn run(options: Options) -> Result<(), Box<dyn Error>> {
    if let (Some(contender), Some(callbacks), Some(chains)) =
        (&options.only_run, options.callbacks, options.chains)
    {
        chain(contender, callbacks)?(chains);
        return Ok(());
    }
    if !tools::is_installed("valgrind") {
        println!("profile: valgrind is not installed; skipped");
        return Ok(());
    }
    println!("profile: user-space instructions of a chain over an i64, with callbacks that");
    println!("capture three words; by valgrind --tool=callgrind");
    println!();
    let lengths = match (options.callbacks, options.short) {
        (Some(callbacks), _) => vec![callbacks],
        (None, true) => vec![4],
        (None, false) => vec![0, 1, 4, 16, 1000],
    };
    let mut table = Table::new([
        "callbacks",
        "ours",
        "reference",
        "futures",
        "ours/reference",
    ]);
    for callbacks in lengths {
        let mut counts = [0.0; CONTENDERS.len()];
        for (count, contender) in counts.iter_mut().zip(CONTENDERS) {
            *count = instructions(contender, callbacks)?;
        }
        let [ours, reference, futures] = counts;
        table.row([
            callbacks.to_string(),
            format!("{ours:.0}"),
            format!("{reference:.0}"),
            format!("{futures:.0}"),
            format!("{:.2}", ours / reference),
        ]);
    }
    table.print();
    Ok(())
}

fn chain(contender: &str, callbacks: usize) -> Result<Run, String> {
    match contender {
        "ours" => Ok(sized(callbacks, ours::chain::<Number>)),
        "reference" => Ok(sized(callbacks, peers::boxed::<Number>)),
        "futures" => Ok(sized(callbacks, peers::mapped::<Number>)),
        _ => Err(format!("{contender:?} is none of {CONTENDERS:?}")),
    }
}

/// Of one chain.
fn instructions(contender: &str, callbacks: usize) -> Result<f64, Box<dyn Error>> {
    const FEW: u64 = 100;
    const MANY: u64 = 1100;
    let few = instructions_of(contender, callbacks, FEW)?;
    let many = instructions_of(contender, callbacks, MANY)?;
    Ok((many - few) / (MANY - FEW) as f64)
}

fn instructions_of(contender: &str, callbacks: usize, chains: u64) -> Result<f64, Box<dyn Error>> {
    let (callbacks, chains) = (callbacks.to_string(), chains.to_string());
    tools::own_instructions(&[
        "profile",
        "--only-run",
        contender,
        "--callbacks",
        &callbacks,
        "--chains",
        &chains,
    ])
}
