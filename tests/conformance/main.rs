//! Runs programs whose traces were recorded from Twisted, and compares.
//!
//! `FORMAT.md` describes the programs, `data/README.md` where they come from.
//! `CONFORMANCE_DIR` points the run at another folder of them.

mod clock_ops;
mod machine;
mod program;
mod report;
mod trace;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, io, thread};

use serde_json::Value;

use self::program::{Program, Unreadable};
use self::report::{Tally, print_mismatch, print_summary};
use self::trace::{Comparison, compare};

/// Runs of different Deferreds nest on the stack, as they do in Twisted, and some
/// programs nest a thousand of them.
const STACK: usize = 256 << 20;

/// What is done with a family.
enum Policy {
    /// Every program must give Twisted's trace.
    Assert,
    /// As `Assert`, but some use operations of families that cannot be run yet:
    /// those are skipped.
    AssertIfSupported,
    /// They show oddities of Twisted's; what we do is reported, by tag.
    Observe,
    /// Cannot be run yet.
    Missing(&'static str),
}

impl Policy {
    fn of(family: &str) -> Self {
        match family {
            "quirks" => Self::Observe,
            "combinators" => {
                Self::Missing("the crate has no DeferredList, gather_results and race yet")
            }
            "sync" => Self::Missing("the crate has no lock, semaphore and queue yet"),
            "clock" => Self::AssertIfSupported,
            _ => Self::Assert,
        }
    }
}

fn main() -> ExitCode {
    let dir = env::var_os("CONFORMANCE_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/data"),
        PathBuf::from,
    );
    let files = match program_files(&dir) {
        Ok(files) if !files.is_empty() => files,
        Ok(_) => return give_up(&dir, "there are no programs"),
        Err(error) => return give_up(&dir, &error.to_string()),
    };
    let mut tallies = BTreeMap::new();
    for (family, file) in files {
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) => return give_up(&file, &error.to_string()),
        };
        let name = family.clone();
        let runner = thread::Builder::new()
            .stack_size(STACK)
            .spawn(move || run_family(&name, &text));
        match runner.map(thread::JoinHandle::join) {
            Ok(Ok(tally)) => drop(tallies.insert(family, tally)),
            Ok(Err(_)) => return give_up(&file, "the runner panicked"),
            Err(error) => return give_up(&file, &error.to_string()),
        }
    }
    print_summary(&tallies);
    if tallies.values().any(|tally| tally.failed > 0) {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn give_up(path: &Path, why: &str) -> ExitCode {
    eprintln!("{}: {why}", path.display());
    ExitCode::FAILURE
}

/// The families in `dir`, by name: its `*.jsonl` files.
fn program_files(dir: &Path) -> io::Result<BTreeMap<String, PathBuf>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let family = path.file_stem().and_then(|stem| stem.to_str());
        if let (Some(family), Some("jsonl")) = (family, path.extension().and_then(|e| e.to_str())) {
            files.insert(family.to_owned(), path.clone());
        }
    }
    Ok(files)
}

fn run_family(family: &str, text: &str) -> Tally {
    let mut tally = Tally::default();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        tally.programs += 1;
        match Policy::of(family) {
            Policy::Assert => assert_program(family, line, &mut tally),
            Policy::AssertIfSupported => match Program::parse(line) {
                Err(Unreadable::Unsupported(op)) => tally.skip(&format!("which need `{op}`")),
                _ => assert_program(family, line, &mut tally),
            },
            Policy::Observe => observe_program(line, &mut tally),
            Policy::Missing(what) => tally.skip(what),
        }
    }
    tally
}

fn assert_program(family: &str, line: &str, tally: &mut Tally) {
    let program = match Program::parse(line) {
        Ok(program) => program,
        Err(unreadable) => {
            if tally.fail() {
                println!("\nUNREADABLE {family}: {unreadable}");
            }
            return;
        }
    };
    let ours = match machine::run(&program) {
        Ok(ours) => ours,
        Err(text) => {
            if tally.fail() {
                println!("\nPANICKED {family}/{}: {text}", program.id);
            }
            return;
        }
    };
    match compare(&program, &ours) {
        Comparison::Same => tally.passed += 1,
        Comparison::Normalized(used) => {
            tally.passed += 1;
            tally.normalized += 1;
            for normalization in used {
                *tally.normalizations.entry(normalization).or_default() += 1;
            }
        }
        Comparison::Different { group, what } => {
            if tally.fail() {
                print_mismatch(family, &program, &ours, group, &what);
            }
        }
    }
}

fn observe_program(line: &str, tally: &mut Tally) {
    let parsed = Program::parse(line);
    if let Err(Unreadable::Unsupported(op)) = &parsed {
        tally.skip(&format!("which need `{op}`"));
    }
    let is_same = parsed.as_ref().ok().map(|program| {
        let ours = machine::run(program);
        ours.is_ok_and(|ours| !matches!(compare(program, &ours), Comparison::Different { .. }))
    });
    let json: Value = serde_json::from_str(line).unwrap_or_default();
    let tags = json["tags"].as_array().into_iter().flatten();
    for tag in tags.filter_map(Value::as_str) {
        let seen = tally.observed.entry(tag.to_owned()).or_default();
        match is_same {
            Some(true) => seen.same += 1,
            Some(false) => seen.different += 1,
            None => seen.skipped += 1,
        }
    }
}
