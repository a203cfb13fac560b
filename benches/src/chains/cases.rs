//! What is measured: each case with ours first and the reference second.

use std::hint::black_box;

use super::ours;
use super::payload::{Bare, Inner, Number, Payload, Text};
use super::peers;

/// A number of chains, one after the other.
pub(super) type Run = Box<dyn Fn(u64)>;

/// Chains that do the same, built by different means.
pub(super) struct Case {
    pub(super) name: String,
    /// The callbacks of one chain.
    pub(super) callbacks: usize,
    pub(super) aim: Option<Aim>,
    pub(super) contenders: Vec<(Contender, Run)>,
}

/// What ours should come to.
#[derive(Clone, Copy)]
pub(super) enum Aim {
    /// In parts of the reference.
    Ratio(f64),
    /// In nanoseconds per callback, without an allocation.
    PerCallback(f64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Reference => "reference",
            Self::Plain => "plain",
            Self::Futures => "futures",
        }
    }
}

pub(super) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for (n, aim) in [(1, 0.95), (4, 0.65), (16, 0.60), (1000, 0.30)] {
        cases.push(pending::<Number>("i64, three words", n, Some(aim)));
    }
    for n in [1, 4, 16, 1000] {
        cases.push(pending::<Text>("String, three words", n, None));
    }
    for (n, aim) in [(1, None), (4, None), (16, Some(0.45)), (1000, None)] {
        cases.push(pending::<Bare>("i64, no captures", n, aim));
    }
    cases.push(ready(16));
    for n in [4, 16] {
        cases.push(failure(n));
    }
    for (name, inner) in [
        ("returns a ready Deferred", Inner::Ready),
        ("returns a fired Deferred", Inner::Fired),
        ("returns a pending Deferred", Inner::Pending),
    ] {
        cases.push(nested(name, 4, inner));
    }
    cases
}

fn pending<P: Payload>(name: &str, n: usize, aim: Option<f64>) -> Case {
    Case {
        name: format!("{name}: {n}"),
        callbacks: n,
        aim: aim.map(Aim::Ratio),
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
        contenders: vec![
            (Contender::Ours, run(n, ours::ready::<Number>)),
            (Contender::Reference, run(n, peers::called::<Number>)),
        ],
    }
}

fn failure(n: usize) -> Case {
    Case {
        name: format!("failure to the last errback: {n}"),
        callbacks: n,
        aim: None,
        contenders: vec![
            (Contender::Ours, run(n, ours::failure)),
            (Contender::Reference, run(n, peers::boxed_failure)),
            (Contender::Futures, run(n, peers::mapped_failure)),
        ],
    }
}

/// Boxes cannot wait: the reference is the plain chain of as many callbacks.
fn nested(name: &str, n: usize, inner: Inner) -> Case {
    Case {
        name: format!("{name}: {n}"),
        callbacks: n,
        aim: None,
        contenders: vec![
            (Contender::Ours, run(n, move |n| ours::nested(n, inner))),
            (Contender::Reference, run(n, peers::boxed::<Number>)),
            (
                Contender::Futures,
                run(n, move |n| peers::mapped_nested(n, inner)),
            ),
        ],
    }
}

pub(super) fn run(n: usize, chain: impl Fn(usize) + 'static) -> Run {
    Box::new(move |times| {
        for _ in 0..times {
            chain(black_box(n));
        }
    })
}
