//! What is measured: each case with ours first and the reference second.

use super::ours;
use super::payload::{Bare, Inner, Number, Payload, Small, Text, Wide};
use super::peers;
use crate::contest::{Run, sized as run};

/// Chains that do the same, built by different means.
pub(super) struct Case {
    pub(super) name: String,
    /// The callbacks of one chain.
    pub(super) callbacks: usize,
    pub(super) aim: Option<Aim>,
    /// What one chain of ours is to take of these at most.
    pub(super) allocations: Option<u64>,
    pub(super) contenders: Vec<(Contender, Run)>,
}

/// What ours should come to.
#[derive(Clone, Copy)]
pub(super) enum Aim {
    /// In parts of the reference.
    Ratio(f64),
    /// In nanoseconds per callback.
    PerCallback(f64),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Contender {
    Ours,
    /// What ratios refer to: boxes driven by hand, which can carry failures, or
    /// direct calls if there is nothing to wait for.
    Reference,
    /// Boxes that cannot carry failures.
    Plain,
    Futures,
}

impl Contender {
    pub(super) const ALL: [Self; 4] = [Self::Ours, Self::Reference, Self::Plain, Self::Futures];
}

pub(super) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for (n, aim) in [(1, 0.80), (4, 0.55), (16, 0.50), (1000, 0.22)] {
        cases.push(pending::<Number>("i64, three words", n, Some(aim)));
    }
    for n in [1, 4, 16, 1000] {
        cases.push(pending::<Text>("String, three words", n, None));
    }
    for n in [1, 4, 16, 1000] {
        cases.push(pending::<Wide>("64 bytes, three words", n, None));
    }
    for (n, aim) in [(1, None), (4, None), (16, Some(0.45)), (1000, None)] {
        cases.push(pending::<Bare>("i64, no captures", n, aim));
    }
    for n in [1, 4] {
        let case = pending::<Small>("i64, one word", n, None);
        cases.push(case.with_allocations(1));
    }
    cases.push(ready(16));
    for (n, aim) in [(4, None), (16, Some(0.60))] {
        cases.push(failure(n, aim));
    }
    let ready = ("a ready Deferred", Inner::Ready);
    let fired = ("a fired Deferred", Inner::Fired);
    let waiting = ("a pending Deferred", Inner::Pending);
    for (name, inner) in [ready, fired, waiting] {
        cases.push(nested(&format!("returns {name}"), 4, inner, None));
    }
    for ((name, inner), aim) in [(ready, 0.50), (fired, 0.50), (waiting, 0.70)] {
        let name = format!("{name}, against four boxes");
        cases.push(nested(&name, 1, inner, Some(aim)));
    }
    cases.push(long());
    cases.push(links());
    cases
}

impl Case {
    fn with_allocations(mut self, allocations: u64) -> Self {
        self.allocations = Some(allocations);
        self
    }
}

fn pending<P: Payload>(name: &str, n: usize, aim: Option<f64>) -> Case {
    Case {
        name: format!("{name}: {n}"),
        callbacks: n,
        aim: aim.map(Aim::Ratio),
        allocations: None,
        contenders: vec![
            (Contender::Ours, run(n, ours::chain::<P>)),
            (Contender::Reference, run(n, peers::boxed::<P>)),
            (Contender::Plain, run(n, peers::boxed_plain::<P>)),
            (Contender::Futures, run(n, peers::mapped::<P>)),
        ],
    }
}

fn ready(n: usize) -> Case {
    Case {
        name: format!("already fired, against calls: {n}"),
        callbacks: n,
        aim: Some(Aim::PerCallback(3.0)),
        allocations: Some(0),
        contenders: vec![
            (Contender::Ours, run(n, ours::ready::<Number>)),
            (Contender::Reference, run(n, peers::called::<Number>)),
        ],
    }
}

fn failure(n: usize, aim: Option<f64>) -> Case {
    Case {
        name: format!("failure to the last errback: {n}"),
        callbacks: n,
        aim: aim.map(Aim::Ratio),
        allocations: None,
        contenders: vec![
            (Contender::Ours, run(n, ours::failure)),
            (Contender::Reference, run(n, peers::boxed_failure)),
            (Contender::Futures, run(n, peers::mapped_failure)),
        ],
    }
}

/// Boxes cannot wait: the reference is the plain chain of four callbacks.
fn nested(name: &str, n: usize, inner: Inner, aim: Option<f64>) -> Case {
    Case {
        name: format!("{name}: {n}"),
        callbacks: n,
        aim: aim.map(Aim::Ratio),
        allocations: None,
        contenders: vec![
            (Contender::Ours, run(n, move |n| ours::nested(n, inner))),
            (Contender::Reference, run(4, peers::boxed::<Number>)),
            (
                Contender::Futures,
                run(n, move |n| peers::mapped_nested(n, inner)),
            ),
        ],
    }
}

const MILLION: usize = 1_000_000;

/// The reference is ours: as many callbacks on a thousand chains.
fn long() -> Case {
    Case {
        name: String::from("a million callbacks, against 1000 times 1000"),
        callbacks: MILLION,
        aim: Some(Aim::Ratio(1.5)),
        allocations: None,
        contenders: vec![
            (Contender::Ours, run(MILLION, ours::chain::<Number>)),
            (
                Contender::Reference,
                run(1000, |n| (0..n).for_each(|_| ours::chain::<Number>(n))),
            ),
        ],
    }
}

/// As [`long`], with Deferreds that wait for one another.
fn links() -> Case {
    Case {
        name: String::from("a million Deferreds in a row, against 1000 times 1000"),
        callbacks: MILLION,
        aim: Some(Aim::Ratio(1.5)),
        allocations: None,
        contenders: vec![
            (Contender::Ours, run(MILLION, ours::links)),
            (
                Contender::Reference,
                run(1000, |n| (0..n).for_each(|_| ours::links(n))),
            ),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allocations;

    #[test]
    fn chains_take_as_many_allocations_as_they_are_to() {
        for case in all() {
            let (_, ours) = &case.contenders[0];
            if let Some(expected) = case.allocations {
                let count = allocations::count(|| {
                    ours(1);
                });
                assert!(count <= expected, "{}: {count}", case.name);
            }
        }
    }
}
