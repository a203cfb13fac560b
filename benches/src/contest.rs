//! Contenders that take turns, round after round, in several fresh processes.
//!
//! A ratio is that of two times of one round, so what slows the machine slows both.
//! Within a process the contenders share one heap, and what its allocator takes
//! depends on what was freed before and where; hence the fresh processes, and the
//! extremes of theirs beside the median.

use std::error::Error;
use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::allocations;
use crate::stats::{median, ratios};
use crate::table::Table;

/// Does its work so many times, one after the other, and says how long that took.
pub(crate) type Run = Box<dyn Fn(u64) -> Duration>;

/// A run of `work`, all of which is timed.
pub(crate) fn timed(work: impl Fn() + 'static) -> Run {
    Box::new(move |times| {
        let start = Instant::now();
        for _ in 0..times {
            work();
        }
        start.elapsed()
    })
}

/// A run that hands `work` its size, which the compiler does not know.
pub(crate) fn sized(size: usize, work: impl Fn(usize) + 'static) -> Run {
    timed(move || work(black_box(size)))
}

/// How to measure.
#[derive(Clone, clap::Args)]
pub(crate) struct Options {
    /// A few seconds in all: shows that it works, not how fast it is
    #[arg(long)]
    pub(crate) short: bool,
    /// Fresh processes for each case
    #[arg(long, default_value_t = 9)]
    pub(crate) processes: usize,
    /// Rounds in each process
    #[arg(long, default_value_t = 31)]
    pub(crate) rounds: usize,
    /// Microseconds that a contender runs in each round
    #[arg(long, default_value_t = 1000)]
    pub(crate) sample: u64,
    /// Only cases whose name has this in it
    #[arg(long, default_value = "")]
    pub(crate) only: String,
    /// Measure the case of exactly this name in this process
    #[arg(long, hide = true)]
    pub(crate) child: Option<String>,
}

impl Options {
    /// What continuous integration runs.
    pub(crate) fn short() -> Self {
        Self {
            short: true,
            processes: 1,
            rounds: 3,
            sample: 50,
            only: String::new(),
            child: None,
        }
    }

    /// These, or those of a short run if that is what they ask for.
    pub(crate) fn settled(self) -> Self {
        if self.short {
            Self {
                only: self.only,
                ..Self::short()
            }
        } else {
            self
        }
    }
}

/// What one process found out about one contender.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Finding {
    /// For the work done once; the median of the rounds.
    pub(crate) nanoseconds: f64,
    /// The time of the first contender in parts of this one's; the median of the
    /// rounds.
    pub(crate) ratio: f64,
    /// For the work done once, on this thread.
    pub(crate) allocations: u64,
}

/// Measures all contenders and prints a line for each, for [`in_children`] in the
/// process that asked.
pub(crate) fn answer(contenders: &[&Run], options: &Options) {
    let sample = Duration::from_micros(options.sample);
    for finding in measure(contenders, options.rounds, sample) {
        println!("{}", finding.to_line());
    }
}

/// What fresh processes find out about a case of a bench: a list for each of its
/// contenders.
pub(crate) fn in_children(
    bench: &str,
    name: &str,
    contenders: usize,
    options: &Options,
) -> Result<Vec<Vec<Finding>>, Box<dyn Error>> {
    let mut findings = vec![Vec::new(); contenders];
    for _ in 0..options.processes {
        let output = Command::new(std::env::current_exe()?)
            .args([bench, "--child", name])
            .args(["--rounds", &options.rounds.to_string()])
            .args(["--sample", &options.sample.to_string()])
            // Or else each failure of ours takes a backtrace, which nothing here is about.
            .env_remove("RUST_BACKTRACE")
            .env_remove("RUST_LIB_BACKTRACE")
            .output()?;
        let found: Vec<Finding> = String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter_map(Finding::from_line)
            .collect();
        if found.len() != contenders {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{name}: {}: {said}", output.status).into());
        }
        for (of_one, finding) in findings.iter_mut().zip(found) {
            of_one.push(finding);
        }
    }
    Ok(findings)
}

/// One contender runs for about `sample` before it is the next one's turn. Work that
/// takes much longer gets fewer rounds.
fn measure(contenders: &[&Run], rounds: usize, sample: Duration) -> Vec<Finding> {
    let sample = sample.as_nanos() as f64;
    let mut longest: f64 = 0.0;
    let repeats: Vec<u64> = contenders
        .iter()
        .map(|run| {
            let (repeats, took) = repeats_in(run, sample);
            longest = longest.max(took);
            repeats
        })
        .collect();
    let affordable = (rounds as f64 * 4.0 * sample / longest) as usize;
    let rounds = rounds.min(affordable.max(rounds.div_ceil(6)));
    let mut times = vec![Vec::with_capacity(rounds); contenders.len()];
    for _ in 0..rounds {
        for (index, run) in contenders.iter().enumerate() {
            times[index].push(time(run, repeats[index]) / repeats[index] as f64);
        }
    }
    contenders
        .iter()
        .enumerate()
        .map(|(index, run)| Finding {
            nanoseconds: median(&mut times[index].clone()),
            ratio: median(&mut ratios(&times[0], &times[index])),
            allocations: allocations::count(|| {
                run(1);
            }),
        })
        .collect()
}

/// How often the work is to be done to take about `sample`, and what it takes once.
fn repeats_in(run: &Run, sample: f64) -> (u64, f64) {
    let mut repeats = 1;
    loop {
        let nanoseconds = time(run, repeats);
        let once = nanoseconds / repeats as f64;
        if nanoseconds >= sample / 2.0 {
            return ((sample / once).ceil() as u64, once);
        }
        repeats *= 2;
    }
}

fn time(run: &Run, repeats: u64) -> f64 {
    run(repeats).as_nanos() as f64
}

impl Finding {
    fn to_line(self) -> String {
        format!(
            "finding {} {} {}",
            self.nanoseconds, self.ratio, self.allocations
        )
    }

    /// `None` for a line that is not one of ours.
    fn from_line(line: &str) -> Option<Self> {
        let mut words = line.strip_prefix("finding ")?.split_whitespace();
        Some(Self {
            nanoseconds: words.next()?.parse().ok()?,
            ratio: words.next()?.parse().ok()?,
            allocations: words.next()?.parse().ok()?,
        })
    }
}

pub(crate) fn nanoseconds(findings: &[Finding]) -> f64 {
    median(&mut findings.iter().map(|f| f.nanoseconds).collect::<Vec<_>>())
}

/// The median over the processes, and the extremes.
pub(crate) fn ratio(findings: &[Finding]) -> String {
    spread(findings.iter().map(|f| f.ratio).collect(), 2)
}

/// The median of `ratios`, and their extremes.
pub(crate) fn spread(mut ratios: Vec<f64>, digits: usize) -> String {
    let median = median(&mut ratios);
    match (ratios.first(), ratios.last()) {
        (Some(low), Some(high)) => {
            format!("{median:.digits$} ({low:.digits$}..{high:.digits$})")
        }
        _ => nothing(),
    }
}

pub(crate) fn allocations(findings: &[Finding]) -> String {
    findings
        .first()
        .map_or_else(nothing, |finding| finding.allocations.to_string())
}

pub(crate) fn number(value: f64) -> String {
    if value.is_nan() {
        nothing()
    } else {
        format!("{value:.1}")
    }
}

pub(crate) fn nothing() -> String {
    String::from("-")
}

/// Ours against others at the same work.
pub(crate) struct Contest {
    pub(crate) name: String,
    /// What the work consists of: times are for one of these.
    pub(crate) units: usize,
    /// In parts of each other's time.
    pub(crate) aim: Option<f64>,
    pub(crate) ours: Run,
    pub(crate) others: Vec<(&'static str, Run)>,
}

impl Contest {
    pub(crate) fn new(name: impl Into<String>, units: usize, aim: Option<f64>, ours: Run) -> Self {
        Self {
            name: name.into(),
            units,
            aim,
            ours,
            others: Vec::new(),
        }
    }

    pub(crate) fn against(mut self, other: &'static str, run: Run) -> Self {
        self.others.push((other, run));
        self
    }

    fn runs(&self) -> Vec<&Run> {
        let others = self.others.iter().map(|(_, run)| run);
        std::iter::once(&self.ours).chain(others).collect()
    }
}

/// Measures the contests of a bench, a row for each other contender; or, if it is a
/// child, the one that was asked for.
pub(crate) fn run(
    bench: &str,
    unit: &str,
    contests: &[Contest],
    options: &Options,
) -> Result<(), Box<dyn Error>> {
    if let Some(name) = &options.child {
        let asked = contests.iter().find(|contest| contest.name == *name);
        let contest = asked.ok_or_else(|| format!("there is no case {name:?}"))?;
        answer(&contest.runs(), options);
        return Ok(());
    }
    println!(
        "{bench}: nanoseconds {unit}; {} processes of {} rounds each",
        options.processes, options.rounds
    );
    println!();
    let mut table = Table::new([
        "case",
        "ours",
        "against",
        "its time",
        "ours/its",
        "aim",
        "allocations: ours/its",
    ]);
    for contest in contests {
        if !contest.name.contains(&options.only) {
            continue;
        }
        let names = contest.others.iter().map(|(name, _)| *name);
        let findings = in_children(bench, &contest.name, contest.others.len() + 1, options)?;
        let each = |findings: &[Finding]| number(nanoseconds(findings) / contest.units as f64);
        for (name, theirs) in names.zip(&findings[1..]) {
            table.row([
                contest.name.clone(),
                each(&findings[0]),
                name.to_owned(),
                each(theirs),
                ratio(theirs),
                contest.aim.map_or_else(nothing, |aim| format!("{aim:.2}")),
                format!("{}/{}", allocations(&findings[0]), allocations(theirs)),
            ]);
        }
    }
    table.print();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_survives_the_pipe() {
        let finding = Finding {
            nanoseconds: 12.5,
            ratio: 0.5,
            allocations: 3,
        };
        assert_eq!(Finding::from_line(&finding.to_line()), Some(finding));
        assert_eq!(Finding::from_line("running 0 tests"), None);
    }
}
