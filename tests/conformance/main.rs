//! Runs programs whose traces were recorded from Twisted, and compares.
//!
//! `FORMAT.md` describes the programs, `data/README.md` where they come from, and
//! `twisted/record.py` records them.
//! `CONFORMANCE_DIR` points the run at another folder of them.

#![expect(
    clippy::duplicate_mod,
    reason = "the machine is compiled once for each flavour of Deferred"
)]

mod any_thread;
mod clock_ops;
mod codes;
mod combination;
mod one_thread;
mod primitive;
mod program;
mod released;
mod report;
mod trace;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, io, thread};

use serde_json::Value;

use self::program::{Parsed, Program, Unreadable};
use self::report::{Tally, print_mismatch, print_summary};
use self::trace::{Comparison, Trace, compare};

/// Runs of different Deferreds nest on the stack, as they do in Twisted, and some
/// programs nest a thousand of them.
const STACK: usize = 256 << 20;

/// What is done with a family.
enum Policy {
    /// Every program must give Twisted's trace.
    Assert,
    /// They show oddities of Twisted's; what we do is reported, by tag.
    Observe,
}

impl Policy {
    fn of(family: &str) -> Self {
        match family {
            "quirks" => Self::Observe,
            _ => Self::Assert,
        }
    }
}

/// Over which Deferred a program is run.
#[derive(Clone, Copy)]
enum Flavour {
    OneThread,
    AnyThread,
}

impl Flavour {
    const ALL: [Self; 2] = [Self::OneThread, Self::AnyThread];

    /// Whether it has all that a program needs: clocks belong to one thread.
    fn has_what_it_takes_for(self, program: &Program) -> bool {
        match self {
            Self::OneThread => true,
            Self::AnyThread => !program.uses_clock(),
        }
    }

    fn name_of(self, family: &str) -> String {
        match self {
            Self::OneThread => family.to_owned(),
            Self::AnyThread => format!("{family}, shared"),
        }
    }

    fn run(self, program: &Program) -> Result<Trace, String> {
        match self {
            Self::OneThread => one_thread::run(program),
            Self::AnyThread => any_thread::run(program),
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
        for flavour in Flavour::ALL {
            let (name, text) = (family.clone(), text.clone());
            let runner = thread::Builder::new()
                .stack_size(STACK)
                .spawn(move || run_family(&name, flavour, &text));
            match runner.map(thread::JoinHandle::join) {
                Ok(Ok(tally)) if tally.programs == 0 => {}
                Ok(Ok(tally)) => drop(tallies.insert(flavour.name_of(&family), tally)),
                Ok(Err(_)) => return give_up(&file, "the runner panicked"),
                Err(error) => return give_up(&file, &error.to_string()),
            }
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

fn run_family(family: &str, flavour: Flavour, text: &str) -> Tally {
    let mut tally = Tally::default();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let program = Program::parse(line);
        if let Ok(program) = &program
            && !flavour.has_what_it_takes_for(program)
        {
            continue;
        }
        tally.programs += 1;
        match Policy::of(family) {
            Policy::Assert => assert_program(family, flavour, program, &mut tally),
            Policy::Observe => observe_program(flavour, line, program, &mut tally),
        }
    }
    tally
}

fn assert_program(family: &str, flavour: Flavour, program: Parsed<Program>, tally: &mut Tally) {
    let family = &flavour.name_of(family);
    let program = match program {
        Ok(program) => program,
        Err(unreadable) => {
            if tally.fail() {
                println!("\nUNREADABLE {family}: {unreadable}");
            }
            return;
        }
    };
    let ours = match flavour.run(&program) {
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

fn observe_program(flavour: Flavour, line: &str, program: Parsed<Program>, tally: &mut Tally) {
    if let Err(Unreadable::Unsupported(op)) = &program {
        tally.skip(&format!("which need `{op}`"));
    }
    let is_same = program.ok().map(|program| {
        let ours = flavour.run(&program);
        ours.is_ok_and(|ours| !matches!(compare(&program, &ours), Comparison::Different { .. }))
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
