//! `chains`: what a chain of callbacks costs, next to boxes driven by hand and
//! to boxed futures.
//!
//! A chain is made, given its callbacks, fired, asked for its result and dropped,
//! and all of that is timed. Contenders take turns in one process, and a ratio is
//! that of two times of one round, so what slows the machine slows both.
//!
//! Allocation is most of the cost of the boxes, and what glibc's allocator takes
//! depends on what was freed before and where. So each case is measured in
//! several fresh processes of its own, and the table gives the median of theirs
//! and the extremes. Within a process the contenders share one heap.

mod cases;
mod measure;
mod ours;
mod payload;
mod peers;
pub(crate) mod profile;

use std::error::Error;
use std::process::Command;
use std::time::Duration;

use self::cases::{Aim, Case, Contender};
use self::measure::Finding;
use crate::stats::median;
use crate::table::Table;

/// How to measure chains.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// A few seconds in all: shows that it works, not how fast it is
    #[arg(long)]
    pub(crate) short: bool,
    /// Fresh processes for each case
    #[arg(long, default_value_t = 9)]
    processes: usize,
    /// Rounds in each process
    #[arg(long, default_value_t = 31)]
    rounds: usize,
    /// Microseconds that a contender runs in each round
    #[arg(long, default_value_t = 1000)]
    sample: u64,
    /// Only cases whose name has this in it
    #[arg(long, default_value = "")]
    only: String,
    /// Measure the case of exactly this name in this process
    #[arg(long, hide = true)]
    child: Option<String>,
}

impl Options {
    /// What continuous integration runs.
    pub(crate) fn short() -> Self {
        Self {
            short: true,
            processes: 1,
            rounds: 5,
            sample: 50,
            only: String::new(),
            child: None,
        }
    }
}

pub(crate) fn run(options: Options) -> Result<(), Box<dyn Error>> {
    if let Some(name) = &options.child {
        let sample = Duration::from_micros(options.sample);
        for finding in measure::measure(&find(name)?, options.rounds, sample) {
            println!("{}", finding.to_line());
        }
        return Ok(());
    }
    let options = if options.short {
        Options {
            only: options.only,
            ..Options::short()
        }
    } else {
        options
    };
    table(&options)
}

fn find(name: &str) -> Result<Case, String> {
    cases::all()
        .into_iter()
        .find(|case| case.name == name)
        .ok_or_else(|| format!("there is no case {name:?}"))
}

fn table(options: &Options) -> Result<(), Box<dyn Error>> {
    println!(
        "chains: nanoseconds for a whole chain; {} processes of {} rounds each",
        options.processes, options.rounds
    );
    println!();
    let mut table = Table::new([
        "case",
        "ours",
        "per callback",
        "reference",
        "plain",
        "futures",
        "ours/reference",
        "aim",
        "ours/futures",
        "allocations: ours/ref/plain/fut",
    ]);
    let cases = cases::all();
    for case in cases
        .iter()
        .filter(|case| case.name.contains(&options.only))
    {
        let mut findings = Vec::new();
        for _ in 0..options.processes {
            findings.extend(in_child(case, options)?);
        }
        let of = |contender| {
            let of_it = findings.iter().filter(|f| f.contender == contender);
            of_it.collect::<Vec<_>>()
        };
        let ours = nanoseconds(&of(Contender::Ours));
        let per_callback = ours / case.callbacks as f64;
        table.row([
            case.name.clone(),
            number(ours),
            format!("{per_callback:.2}"),
            number(nanoseconds(&of(Contender::Reference))),
            number(nanoseconds(&of(Contender::Plain))),
            number(nanoseconds(&of(Contender::Futures))),
            ratio(&of(Contender::Reference)),
            case.aim.map_or_else(nothing, |aim| match aim {
                Aim::Ratio(ratio) => format!("{ratio:.2}"),
                Aim::PerCallback(ns) => format!("{ns} ns per callback, 0 allocations"),
            }),
            ratio(&of(Contender::Futures)),
            Contender::ALL.map(|c| allocations(&of(c))).join("/"),
        ]);
    }
    table.print();
    Ok(())
}

fn in_child(case: &Case, options: &Options) -> Result<Vec<Finding>, Box<dyn Error>> {
    let output = Command::new(std::env::current_exe()?)
        .args(["chains", "--child", &case.name])
        .args(["--rounds", &options.rounds.to_string()])
        .args(["--sample", &options.sample.to_string()])
        // Or else each failure of ours takes a backtrace, which nothing here is about.
        .env_remove("RUST_BACKTRACE")
        .env_remove("RUST_LIB_BACKTRACE")
        .output()?;
    let findings: Vec<Finding> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(Finding::from_line)
        .collect();
    if findings.len() != case.contenders.len() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{}: {}: {said}", case.name, output.status).into());
    }
    Ok(findings)
}

fn nanoseconds(findings: &[&Finding]) -> f64 {
    median(&mut findings.iter().map(|f| f.nanoseconds).collect::<Vec<_>>())
}

/// The median over the processes, and the extremes.
fn ratio(findings: &[&Finding]) -> String {
    let mut ratios: Vec<f64> = findings.iter().map(|f| f.ratio).collect();
    let median = median(&mut ratios);
    match (ratios.first(), ratios.last()) {
        (Some(low), Some(high)) => format!("{median:.2} ({low:.2}..{high:.2})"),
        _ => nothing(),
    }
}

fn allocations(findings: &[&Finding]) -> String {
    findings
        .first()
        .map_or_else(nothing, |finding| finding.allocations.to_string())
}

fn number(value: f64) -> String {
    if value.is_nan() {
        nothing()
    } else {
        format!("{value:.1}")
    }
}

fn nothing() -> String {
    String::from("-")
}
