//! How random programs are made, and made smaller.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::program::{
    Canceller, Cancelling, Capture, Given, Op, Outcome, PLACES, Pair, Place, Size, Spec,
};

/// How deep callbacks that add callbacks may be nested.
const DEPTH: u32 = 2;

/// A program: most find something to work on from the start.
pub(crate) fn program() -> impl Strategy<Value = Vec<Op>> {
    let first = vec(making(DEPTH), 0..=PLACES);
    (first, vec(op(DEPTH), 1..48)).prop_map(|(mut ops, then)| {
        ops.extend(then);
        ops
    })
}

fn op(depth: u32) -> BoxedStrategy<Op> {
    // Boxed, since a tree of choices is as large as all of them, and on the stack.
    let spec = spec(depth).boxed();
    let pair = prop_oneof![
        3 => spec.clone().prop_map(Pair::Callback),
        2 => spec.clone().prop_map(Pair::Errback),
        2 => spec.clone().prop_map(Pair::Both),
        1 => (spec.clone(), spec).prop_map(|(f, g)| Pair::Either(f, g)),
    ]
    .boxed();
    let firing = prop_oneof![
        8 => (place(), given()).prop_map(|(at, given)| Op::Fire(at, given)),
        1 => (place(), given()).prop_map(|(at, given)| Op::FireWeak(at, given)),
        1 => place().prop_map(Op::Downgrade),
        1 => (place(), place()).prop_map(|(from, to)| Op::CloneTrigger { from, to }),
        2 => place().prop_map(Op::DropTrigger),
    ]
    .boxed();
    let changing = prop_oneof![
        2 => (place(), place()).prop_map(|(from, to)| Op::Chain { from, to }),
        2 => place().prop_map(Op::Cancel),
        2 => place().prop_map(Op::Pause),
        2 => place().prop_map(Op::Unpause),
        1 => place().prop_map(Op::Drop),
        1 => place().prop_map(Op::Ignore),
        1 => place().prop_map(Op::IntoResult),
        1 => place().prop_map(Op::Await),
        1 => place().prop_map(Op::Look),
    ]
    .boxed();
    let handling = prop_oneof![
        3 => place().prop_map(Op::Handle),
        3 => place().prop_map(Op::CancelHandle),
        1 => place().prop_map(Op::PauseHandle),
        1 => place().prop_map(Op::LookHandle),
    ]
    .boxed();
    prop_oneof![
        10 => (place(), pair, size()).prop_map(|(at, pair, size)| Op::Add(at, pair, size)),
        2 => making(depth),
        4 => firing,
        5 => changing,
        3 => handling,
    ]
    .boxed()
}

fn making(depth: u32) -> BoxedStrategy<Op> {
    prop_oneof![
        6 => place().prop_map(|at| Op::New(at, None)),
        4 => cancellable(depth).boxed(),
        2 => (place(), given()).prop_map(|(at, given)| Op::Ready(at, given)),
        1 => (place(), spec(depth)).prop_map(|(at, spec)| Op::Maybe(at, spec)),
    ]
    .boxed()
}

/// What is done inside a callback: mostly nothing.
fn ops(depth: u32) -> BoxedStrategy<Vec<Op>> {
    match depth.checked_sub(1) {
        None => Just(Vec::new()).boxed(),
        Some(depth) => prop_oneof![2 => Just(Vec::new()), 1 => vec(op(depth), 1..4)].boxed(),
    }
}

fn spec(depth: u32) -> impl Strategy<Value = Arc<Spec>> {
    let outcome = prop_oneof![
        2 => Just(Outcome::Pass),
        3 => (1..9_i64).prop_map(Outcome::Add),
        2 => (0..9_i64).prop_map(Outcome::Recover),
        2 => (1..9_u8).prop_map(Outcome::Raise),
        1 => Just(Outcome::Panic),
        4 => place().prop_map(Outcome::Return),
    ]
    .boxed();
    (captures(), ops(depth), outcome).prop_map(|(captures, ops, outcome)| {
        Arc::new(Spec {
            captures,
            ops,
            outcome,
        })
    })
}

/// A new one with a canceller, which often meddles with what it is to cancel.
fn cancellable(depth: u32) -> impl Strategy<Value = Op> {
    let meddling = prop_oneof![
        2 => Just(None),
        1 => Just(Some(Op::CancelHandle as fn(Place) -> Op)),
        1 => Just(Some(Op::DropTrigger as fn(Place) -> Op)),
    ];
    let then = prop_oneof![
        Just(Cancelling::Nothing),
        given().prop_map(Cancelling::Fire),
        place().prop_map(Cancelling::Keep),
        Just(Cancelling::Panic),
    ];
    let all = (place(), captures(), ops(depth), meddling, then);
    all.prop_map(|(at, captures, mut ops, meddling, then)| {
        ops.extend(meddling.map(|op| op(at)));
        let canceller = Canceller {
            captures,
            ops,
            then,
        };
        Op::New(at, Some(Arc::new(canceller)))
    })
}

fn captures() -> impl Strategy<Value = Option<Capture>> {
    let capture = prop_oneof![
        place().prop_map(Capture::Deferred),
        place().prop_map(Capture::Trigger),
        place().prop_map(Capture::Pause),
    ];
    option::weighted(0.15, capture)
}

/// Some places are busier than others, so that more happens between few Deferreds.
fn place() -> impl Strategy<Value = Place> {
    (0..9_usize).prop_map(|n| [0, 0, 0, 1, 1, 1, 2, 2, 3][n])
}

fn given() -> impl Strategy<Value = Given> {
    prop_oneof![(0..9_i64).prop_map(Ok), (1..9_u8).prop_map(Err)]
}

fn size() -> impl Strategy<Value = Size> {
    prop_oneof![
        4 => Just(Size::Small),
        1 => Just(Size::Wide),
        1 => Just(Size::Huge),
        1 => Just(Size::Aligned),
    ]
}
