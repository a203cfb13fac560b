//! One case in one process: contenders take turns, round after round.

use std::time::{Duration, Instant};

use super::cases::{Case, Contender, Run};
use crate::allocations;
use crate::stats::{median, ratios};

/// What one process found out about one contender.
#[derive(Debug, PartialEq)]
pub(super) struct Finding {
    pub(super) contender: Contender,
    /// For one chain; the median of the rounds.
    pub(super) nanoseconds: f64,
    /// The time of ours in parts of this one's; the median of the rounds.
    pub(super) ratio: f64,
    /// For one chain.
    pub(super) allocations: u64,
}

/// Measures all contenders of `case`. One of them runs for about `sample` before
/// it is the next one's turn.
pub(super) fn measure(case: &Case, rounds: usize, sample: Duration) -> Vec<Finding> {
    let repeats: Vec<u64> = case
        .contenders
        .iter()
        .map(|(_, run)| repeats_in(run, sample))
        .collect();
    let mut times = vec![Vec::with_capacity(rounds); case.contenders.len()];
    for _ in 0..rounds {
        for (index, (_, run)) in case.contenders.iter().enumerate() {
            times[index].push(time(run, repeats[index]) / repeats[index] as f64);
        }
    }
    case.contenders
        .iter()
        .enumerate()
        .map(|(index, (contender, run))| Finding {
            contender: *contender,
            nanoseconds: median(&mut times[index].clone()),
            ratio: median(&mut ratios(&times[0], &times[index])),
            allocations: allocations::count(|| run(1)),
        })
        .collect()
}

fn repeats_in(run: &Run, sample: Duration) -> u64 {
    let mut repeats = 1;
    loop {
        let nanoseconds = time(run, repeats);
        if nanoseconds >= sample.as_nanos() as f64 / 2.0 {
            return ((repeats as f64) * sample.as_nanos() as f64 / nanoseconds).ceil() as u64;
        }
        repeats *= 2;
    }
}

fn time(run: &Run, repeats: u64) -> f64 {
    let start = Instant::now();
    run(repeats);
    start.elapsed().as_nanos() as f64
}

impl Finding {
    /// One line, for [`Finding::from_line`] in the process that asked.
    pub(super) fn to_line(&self) -> String {
        format!(
            "{} {} {} {}",
            self.contender.name(),
            self.nanoseconds,
            self.ratio,
            self.allocations
        )
    }

    /// `None` for a line that is not one of ours.
    pub(super) fn from_line(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let name = words.next()?;
        Some(Self {
            contender: Contender::ALL.into_iter().find(|c| c.name() == name)?,
            nanoseconds: words.next()?.parse().ok()?,
            ratio: words.next()?.parse().ok()?,
            allocations: words.next()?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_survives_the_pipe() {
        let finding = Finding {
            contender: Contender::Futures,
            nanoseconds: 12.5,
            ratio: 0.5,
            allocations: 3,
        };
        assert_eq!(Finding::from_line(&finding.to_line()), Some(finding));
        assert_eq!(Finding::from_line("running 0 tests"), None);
    }
}
