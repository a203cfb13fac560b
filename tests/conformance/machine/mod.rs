//! The interpreter: runs a program and writes down what happens.

mod callbacks;
mod combinators;
mod primitives;
pub(crate) mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use deferred::unhandled::with_hook;
use serde_json::json;

pub(crate) use self::world::Machine;
use super::flavour::{self, Deferred, State};
use crate::codes::{code_of, failure_of};
use crate::program::{Canceller, Id, Op, Pair, Program};
use crate::trace::Trace;

/// Runs `program` to its end.
///
/// # Errors
///
/// The message of a panic that no Deferred has contained.
pub(crate) fn run(program: &Program) -> Result<Trace, String> {
    catch_unwind(AssertUnwindSafe(|| run_unguarded(program))).map_err(|payload| {
        let text = payload.downcast_ref::<String>().cloned();
        let text = text.or_else(|| payload.downcast_ref::<&str>().map(ToString::to_string));
        text.unwrap_or_else(|| "a panic that says nothing".to_owned())
    })
}

fn run_unguarded(program: &Program) -> Trace {
    let machine = Machine::new();
    let reporter = machine.clone();
    with_hook(
        move |unhandled| reporter.note_unhandled(code_of(unhandled.failure())),
        || {
            let mut groups = Vec::with_capacity(program.trace.len());
            for op in &program.ops {
                machine.perform(op);
                groups.push(machine.end_group());
            }
            machine.record_finals(program);
            let finals = machine.take_events();
            machine.let_go();
            let unhandled = machine.take_unhandled();
            let paused_at_end = machine.end_pauses();
            let released = machine.take_unhandled();
            let has_unfinished = machine.has_unfinished();
            machine.forget_triggers();
            let stop_loops = machine.stop_clock();
            let trace = Trace {
                groups,
                finals,
                unhandled,
                released,
                dropped_paused: machine.dropped_paused(),
                moved: machine.take_moved(),
                has_unfinished,
                paused_at_end,
                stages: machine.stages(),
                normalized: machine.take_normalizations(),
            };
            stop_loops();
            machine.clear();
            trace
        },
    )
}

impl Machine {
    pub(crate) fn perform(&self, op: &Op) {
        match *op {
            Op::New(d, canceller) => self.make(d, canceller),
            Op::Succeed(d, value) => self.enter(d, flavour::succeed(value)),
            Op::Fail(d, code) => self.enter(d, flavour::fail(failure_of(code))),
            Op::MaybeDeferred(d, ref spec) => {
                let made = self.maybe_deferred(spec);
                self.enter(d, made);
            }
            Op::Callback(d, value) => self.fire(d, Ok(value)),
            Op::Errback(d, code) => self.fire(d, Err(failure_of(code))),
            Op::Add(d, ref pair) => self.change(d, |deferred| self.add(deferred, pair)),
            Op::Pause(d) => self.pause(d),
            Op::Unpause(d) => self.unpause(d),
            Op::Chain { from, to } => self.chain(from, to),
            Op::Drop(d) => self.forget(d),
            Op::Cancel(d) => match self.handle(d) {
                Some(handle) => handle.cancel(),
                None => self.record_gone(d),
            },
            Op::Clock(ref op) => self.perform_on_clock(op),
            Op::Combine(ref combination) => self.combine(combination),
            Op::OnPrimitive(ref op) => self.act_on(op),
            Op::Group(ref ops) => ops.iter().for_each(|op| self.perform(op)),
        }
    }

    fn make(&self, d: Id, canceller: Option<Canceller>) {
        let (trigger, deferred) = match canceller {
            None => Deferred::pair(),
            Some(canceller) => {
                let machine = self.clone();
                Deferred::with_canceller(move |trigger| {
                    machine.record(json!(["canceller", d]));
                    // It is called only while the Deferred is unfired.
                    let _ = match canceller {
                        Canceller::Record => return,
                        Canceller::Callback(value) => trigger.fire(Ok(value)),
                        Canceller::Errback(code) => trigger.fire(Err(failure_of(code))),
                    };
                })
            }
        };
        self.enter(d, deferred);
        self.enter_trigger(d, trigger);
    }

    fn fire(&self, d: Id, result: flavour::Result) {
        match self.trigger(d) {
            None => self.record(json!(["no_trigger", d])),
            Some(trigger) => {
                let is_refused = match result {
                    Ok(value) => trigger.callback(value).is_err(),
                    Err(failure) => trigger.errback(failure).is_err(),
                };
                if is_refused {
                    self.record(json!(["already_called", d]));
                }
            }
        }
    }

    /// Takes the Deferred out, and puts back what `change` makes of it.
    pub(crate) fn change(&self, d: Id, change: impl FnOnce(Deferred) -> Deferred) {
        match self.take(d) {
            Some(deferred) => self.put_back(d, change(deferred)),
            None => self.record_gone(d),
        }
    }

    fn add(&self, deferred: Deferred, pair: &Pair) -> Deferred {
        match pair {
            Pair::Callback(f) => self.add_callback(deferred, f),
            Pair::Errback(f) => self.add_errback(deferred, f),
            Pair::Both(f) => self.add_both(deferred, f),
            Pair::Either(f, g) => self.add_callbacks(deferred, f, g),
        }
    }

    fn pause(&self, d: Id) {
        match self.handle(d) {
            // A Deferred that is gone cannot be paused; the pause is recorded all the same.
            Some(handle) => self.enter_pause(d, handle.pause()),
            None => self.record_gone(d),
        }
    }

    fn unpause(&self, d: Id) {
        if self.handle(d).is_none() {
            // The pauses of one that was dropped are kept to the end.
            return self.record_gone(d);
        }
        match self.take_pause(d) {
            Some(pause) => drop(pause),
            None => self.record(json!(["not_paused", d])),
        }
    }

    fn chain(&self, from: Id, to: Id) {
        if !self.has(from) {
            return self.record_gone(from);
        }
        let Some(trigger) = self.trigger(to) else {
            return self.record(json!(["no_trigger", to]));
        };
        self.note_stages(|stages| stages.chain = true);
        self.change(from, |deferred| {
            deferred.chain_deferred(trigger).add_callback(|()| Ok(0))
        });
    }

    fn record_finals(&self, program: &Program) {
        for d in self.ids() {
            let is_wanted = program.finals.as_ref().is_none_or(|ids| ids.contains(&d));
            if is_wanted {
                self.change(d, |deferred| self.record_final(d, deferred));
            }
        }
    }

    fn record_final(&self, d: Id, deferred: Deferred) -> Deferred {
        let unfinished = match deferred.state() {
            State::Done => {
                let machine = self.clone();
                return deferred.add_both(move |result| {
                    machine.record(match &result {
                        Ok(value) => json!(["final", d, "value", value]),
                        Err(failure) => json!(["final", d, "failure", code_of(failure)]),
                    });
                    result
                });
            }
            State::Unfired => "pending",
            State::Waiting => "waiting",
            State::Paused => "paused",
            _ => "in a state that no idle Deferred has",
        };
        self.record(json!(["final", d, unfinished]));
        deferred
    }
}
