//! What the benches of framings have in common: their options, and instructions a read.

use std::error::Error;

use crate::tools;

/// How to measure framings.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// A few seconds in all: shows that it works, not how fast it is
    #[arg(long)]
    short: bool,
    /// Rounds: in each, every contender runs once
    #[arg(long, default_value_t = 31)]
    pub(crate) rounds: usize,
    /// Reads of one contender in a round
    #[arg(long, default_value_t = 500)]
    pub(crate) reads: usize,
    /// Counts instructions only (valgrind), and takes no time
    #[arg(long)]
    pub(crate) count: bool,
    /// Runs this contender once: what a tool counts
    #[arg(long, requires = "case")]
    pub(crate) only_run: Option<String>,
    /// The case of that run
    #[arg(long)]
    pub(crate) case: Option<String>,
}

impl Options {
    /// What continuous integration runs.
    pub(crate) fn short() -> Self {
        Self {
            short: true,
            rounds: 3,
            reads: 20,
            count: false,
            only_run: None,
            case: None,
        }
    }

    /// These, or those of a short run if that was asked for.
    pub(crate) fn effective(self) -> Self {
        if self.short {
            Self {
                count: self.count,
                ..Self::short()
            }
        } else {
            self
        }
    }
}

/// User-space instructions of a contender of `bench` for one read: the difference between many
/// and few, so that the start of the program does not count.
pub(crate) fn instructions(
    bench: &str,
    contender: &str,
    case: &str,
) -> Result<f64, Box<dyn Error>> {
    const FEW: usize = 10;
    const MANY: usize = 60;
    let of = |reads: usize| {
        let reads = reads.to_string();
        tools::own_instructions(&[
            bench,
            "--only-run",
            contender,
            "--case",
            case,
            "--reads",
            &reads,
        ])
    };
    Ok((of(MANY)? - of(FEW)?) / (MANY - FEW) as f64)
}
