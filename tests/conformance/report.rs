//! The report of a run: mismatches as they come, tables at the end.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::program::{Event, Program};
use crate::trace::{Normalization, Trace};

/// How many mismatches of one family are printed in full.
const PRINTED_MISMATCHES: usize = 10;

/// How many operations are printed on either side of the one that differs.
const PRINTED_AROUND: usize = 12;

/// The longest text of one operation or group of events.
const PRINTED_WIDTH: usize = 240;

/// What came of the programs of one family.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) programs: usize,
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    /// Of those that passed.
    pub(crate) normalized: usize,
    /// The same by what was decided; a program may count for several.
    pub(crate) normalizations: BTreeMap<Normalization, usize>,
    /// Programs that were not run, by the reason.
    pub(crate) skipped: BTreeMap<String, usize>,
    /// Programs that were run for the record only, by tag.
    pub(crate) observed: BTreeMap<String, Observed>,
}

#[derive(Clone, Copy, Default)]
pub(crate) struct Observed {
    pub(crate) same: usize,
    pub(crate) different: usize,
    pub(crate) skipped: usize,
}

impl Tally {
    pub(crate) fn skip(&mut self, reason: &str) {
        *self.skipped.entry(reason.to_owned()).or_default() += 1;
    }

    /// Counts a failed program, and says whether it is to be printed.
    pub(crate) fn fail(&mut self) -> bool {
        self.failed += 1;
        self.failed <= PRINTED_MISMATCHES
    }

    fn skipped_in_all(&self) -> usize {
        self.skipped.values().sum()
    }
}

/// Prints a program, both traces around the group that differs, and the difference.
pub(crate) fn print_mismatch(
    family: &str,
    program: &Program,
    ours: &Trace,
    group: usize,
    what: &str,
) {
    println!("\nMISMATCH {family}/{} {:?}", program.id, program.tags);
    let first = group.saturating_sub(PRINTED_AROUND);
    if first > 0 {
        println!("      ... {first} operations");
    }
    for (index, theirs) in program.trace.iter().enumerate().skip(first) {
        if index > group + PRINTED_AROUND {
            println!("      ... {} more", program.trace.len() - index);
            break;
        }
        let mark = if index == group { '>' } else { ' ' };
        let op = program
            .source
            .get(index)
            .map_or_else(|| "the end".to_owned(), ToString::to_string);
        println!("{mark} {index:3} {}", shortened(&op));
        let mine = match ours.groups.get(index) {
            Some(mine) => mine.clone(),
            None => end_of(ours),
        };
        if *theirs == mine {
            println!("        both     {}", joined(theirs));
        } else {
            println!("        expected {}", joined(theirs));
            println!("        got      {}", joined(&mine));
        }
    }
    println!("  first difference, at {group}: {what}");
}

fn end_of(ours: &Trace) -> Vec<Event> {
    let list = |name: &str, codes: &[Value]| json!([name, codes]);
    let mut end = ours.finals.clone();
    end.push(list("unhandled", &ours.unhandled));
    if ours.paused_at_end {
        end.push(list("released", &ours.released));
    }
    end
}

fn joined(events: &[Event]) -> String {
    let texts: Vec<_> = events.iter().map(ToString::to_string).collect();
    shortened(&texts.join(" "))
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= PRINTED_WIDTH {
        return text.to_owned();
    }
    let start: String = text.chars().take(PRINTED_WIDTH).collect();
    format!("{start} ...")
}

/// Prints the tables, and how many programs passed and failed on a line of its own.
pub(crate) fn print_summary(tallies: &BTreeMap<String, Tally>) {
    println!(
        "\n{:<20}{:>9}{:>9}{:>12}{:>9}{:>9}",
        "family", "programs", "passed", "normalized", "failed", "skipped"
    );
    for (family, tally) in tallies {
        println!(
            "{family:<20}{:>9}{:>9}{:>12}{:>9}{:>9}",
            tally.programs,
            tally.passed,
            tally.normalized,
            tally.failed,
            tally.skipped_in_all()
        );
    }
    print_normalizations(tallies);
    print_skipped(tallies);
    print_observed(tallies);
    let passed: usize = tallies.values().map(|tally| tally.passed).sum();
    let failed: usize = tallies.values().map(|tally| tally.failed).sum();
    println!("\n{passed} passed, {failed} failed");
}

fn print_normalizations(tallies: &BTreeMap<String, Tally>) {
    if tallies.values().all(|tally| tally.normalized == 0) {
        return;
    }
    println!("\nNormalized, by what was decided differently from Twisted:");
    for normalization in Normalization::ALL {
        let counts: Vec<_> = tallies
            .iter()
            .filter_map(|(family, tally)| {
                let count = tally.normalizations.get(&normalization)?;
                Some(format!("{family} {count}"))
            })
            .collect();
        if !counts.is_empty() {
            println!("  {}: {}", normalization.name(), counts.join(", "));
            println!("    {}", normalization.reason());
        }
    }
}

fn print_skipped(tallies: &BTreeMap<String, Tally>) {
    if tallies.values().all(|tally| tally.skipped.is_empty()) {
        return;
    }
    println!("\nSkipped:");
    for (family, tally) in tallies {
        for (reason, count) in &tally.skipped {
            println!("  {family}: {count} programs, {reason}");
        }
    }
}

fn print_observed(tallies: &BTreeMap<String, Tally>) {
    for (family, tally) in tallies {
        if tally.observed.is_empty() {
            continue;
        }
        println!("\nRun for the record only, {family} by tag:");
        println!(
            "  {:<20}{:>6}{:>11}{:>9}",
            "tag", "same", "different", "skipped"
        );
        for (tag, seen) in &tally.observed {
            println!(
                "  {tag:<20}{:>6}{:>11}{:>9}",
                seen.same, seen.different, seen.skipped
            );
        }
    }
}
