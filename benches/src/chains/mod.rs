//! `chains`: what a chain of callbacks costs, next to boxes driven by hand and
//! to boxed futures.
//!
//! A chain is made, given its callbacks, fired, asked for its result and dropped,
//! and all of that is timed.

mod cases;
mod ours;
mod payload;
mod peers;
pub(crate) mod profile;

use std::error::Error;

use self::cases::{Aim, Case, Contender};
use crate::contest::{
    self, Finding, Options, Run, allocations, nanoseconds, nothing, number, ratio,
};
use crate::table::Table;

pub(crate) fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let cases = cases::all();
    if let Some(name) = &options.child {
        let asked = cases.iter().find(|case| case.name == *name);
        let case = asked.ok_or_else(|| format!("there is no case {name:?}"))?;
        let contenders: Vec<&Run> = case.contenders.iter().map(|(_, run)| run).collect();
        contest::answer(&contenders, &options);
        return Ok(());
    }
    table(&cases, &options.settled())
}

fn table(cases: &[Case], options: &Options) -> Result<(), Box<dyn Error>> {
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
    for case in cases
        .iter()
        .filter(|case| case.name.contains(&options.only))
    {
        let found = contest::in_children("chains", &case.name, case.contenders.len(), options)?;
        let of = |contender| -> &[Finding] {
            let index = case.contenders.iter().position(|(c, _)| *c == contender);
            index.map_or(&[], |index| &found[index])
        };
        let ours = nanoseconds(of(Contender::Ours));
        let per_callback = ours / case.callbacks as f64;
        table.row([
            case.name.clone(),
            number(ours),
            format!("{per_callback:.2}"),
            number(nanoseconds(of(Contender::Reference))),
            number(nanoseconds(of(Contender::Plain))),
            number(nanoseconds(of(Contender::Futures))),
            ratio(of(Contender::Reference)),
            aims(case),
            ratio(of(Contender::Futures)),
            Contender::ALL.map(|c| allocations(of(c))).join("/"),
        ]);
    }
    table.print();
    Ok(())
}

fn aims(case: &Case) -> String {
    let time = case.aim.map(|aim| match aim {
        Aim::Ratio(ratio) => format!("{ratio:.2}"),
        Aim::PerCallback(ns) => format!("{ns} ns per callback"),
    });
    let count = case.allocations.map(|count| match count {
        1 => String::from("1 allocation"),
        _ => format!("{count} allocations"),
    });
    let aims: Vec<String> = [time, count].into_iter().flatten().collect();
    if aims.is_empty() {
        nothing()
    } else {
        aims.join(", ")
    }
}
