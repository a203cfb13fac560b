//! The clock of a program, and what hangs on it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use deferred::errors::{DelayedCallError, LoopingCallError};
use serde_json::json;

use super::flavour::{self, Clock, Deferred, DelayedCall, LoopingCall};
use super::machine::Machine;
use crate::clock_ops::{ClockOp, Script};
use crate::program::{Id, Op, Spec};

/// What a program has on its clock, by number.
#[derive(Default)]
pub(crate) struct Timed {
    clock: Clock,
    calls: HashMap<Id, DelayedCall>,
    loops: HashMap<Id, LoopingCall>,
}

impl Timed {
    /// Lets go of the calls; what is given back stops the loops, and has what they wait
    /// for happen. One that runs and its clock would keep each other for ever.
    pub(crate) fn end(self) -> impl FnOnce() {
        let Self { clock, loops, .. } = self;
        let waits = !loops.is_empty();
        move || {
            for looping in loops.into_values() {
                // One that does not run cannot be stopped.
                looping.stop();
            }
            if waits {
                clock.jump(flavour::ticks(1_000_000));
            }
        }
    }
}

impl Machine {
    pub(crate) fn perform_on_clock(&self, op: &ClockOp) {
        match *op {
            ClockOp::Advance(ticks) => self.clock().jump(flavour::ticks(ticks)),
            ClockOp::Pump(times, ticks) => {
                for _ in 0..times {
                    self.clock().jump(flavour::ticks(ticks));
                }
            }
            ClockOp::CallLater(c, ticks, ref acts) => self.call_later(c, ticks, acts),
            ClockOp::CancelCall(c) => self.change_call(c, |call| {
                match call.cancel() {
                    true => Ok(()),
                    // Errs with the reason.
                    false => call.reset(Duration::ZERO),
                }
            }),
            ClockOp::ResetCall(c, ticks) => {
                self.change_call(c, |call| call.reset(flavour::ticks(ticks)));
            }
            ClockOp::DelayCall(c, ticks) => {
                self.change_call(c, |call| call.delay(flavour::ticks(ticks)));
            }
            ClockOp::IsCallActive(c) => self.record(match self.delayed_call(c) {
                None => json!(["dc_unknown", c]),
                Some(call) if call.is_active() => {
                    json!(["active", c, true, flavour::in_ticks(call.time())])
                }
                Some(_) => json!(["active", c, false]),
            }),
            ClockOp::AddTimeout(d, ticks, ref function) => {
                self.change(d, |deferred| self.add_timeout(deferred, ticks, function));
            }
            ClockOp::DeferLater(d, ticks, ref function) => {
                let made = self.defer_later(ticks, function);
                self.enter(d, made);
            }
            ClockOp::Loop(number, ref script) => {
                let made = self.make_loop(number, script);
                let replaced = self.with_timed(|timed| timed.loops.insert(number, made));
                drop(replaced);
            }
            ClockOp::StartLoop {
                number,
                d,
                interval,
                now,
            } => self.start_loop(number, d, interval, now),
            ClockOp::StopLoop(number) => self.change_loop(number, |looping| {
                let was_running = looping.stop();
                was_running
                    .then_some(())
                    .ok_or(LoopingCallError::NotRunning)
            }),
            ClockOp::ResetLoop(number) => self.change_loop(number, LoopingCall::reset),
        }
    }

    fn clock(&self) -> Clock {
        self.with_timed(|timed| timed.clock.clone())
    }

    fn now(&self) -> u64 {
        flavour::in_ticks(self.clock().now())
    }

    fn call_later(&self, c: Id, ticks: u64, acts: &Arc<[Op]>) {
        let (machine, acts) = (self.clone(), Arc::clone(acts));
        let call = self.clock().call_later(flavour::ticks(ticks), move || {
            machine.record(json!(["call", c, machine.now()]));
            acts.iter().for_each(|act| machine.perform(act));
        });
        self.with_timed(|timed| timed.calls.insert(c, call));
    }

    fn delayed_call(&self, c: Id) -> Option<DelayedCall> {
        self.with_timed(|timed| timed.calls.get(&c).cloned())
    }

    fn change_call(
        &self,
        c: Id,
        change: impl FnOnce(&DelayedCall) -> Result<(), DelayedCallError>,
    ) {
        let Some(call) = self.delayed_call(c) else {
            return self.record(json!(["dc_unknown", c]));
        };
        match change(&call) {
            Ok(()) => {}
            Err(DelayedCallError::AlreadyCalled) => self.record(json!(["dc_already_called", c])),
            Err(DelayedCallError::AlreadyCancelled) => {
                self.record(json!(["dc_already_cancelled", c]));
            }
            Err(error) => unreachable!("{error}"),
        }
    }

    fn add_timeout(
        &self,
        deferred: Deferred,
        ticks: u64,
        function: &Option<Arc<Spec>>,
    ) -> Deferred {
        self.note_stages(|stages| stages.timeout = true);
        let (clock, delay) = (self.clock(), flavour::ticks(ticks));
        let Some(spec) = function.clone() else {
            return deferred.add_timeout(delay, &clock);
        };
        let machine = self.clone();
        if spec.returns_deferred() {
            return deferred.add_timeout_with(delay, &clock, move |result| {
                machine.call_for_deferred(&spec, result)
            });
        }
        deferred.add_timeout_with(delay, &clock, move |result| machine.call(&spec, result))
    }

    fn defer_later(&self, ticks: u64, function: &Option<Arc<Spec>>) -> Deferred {
        let (clock, delay) = (self.clock(), flavour::ticks(ticks));
        let Some(spec) = function.clone() else {
            return flavour::sleep(&clock, delay).add_callback(|()| Ok(0));
        };
        let machine = self.clone();
        if spec.returns_deferred() {
            return flavour::defer_later(&clock, delay, move || {
                machine.call_bare_for_deferred(&spec)
            });
        }
        flavour::defer_later(&clock, delay, move || machine.call_bare(&spec))
    }

    fn make_loop(&self, number: Id, script: &Arc<Script>) -> LoopingCall {
        let (machine, script) = (self.clone(), Arc::clone(script));
        let is_counting = script.is_counting;
        let mut calls = 0;
        let mut call = move |count: Option<u64>| {
            machine.record(json!(["loop", number, machine.now(), count]));
            let spec = script.first.get(calls).unwrap_or(&script.default);
            calls += 1;
            machine.run_acts(spec);
            machine.deferred_of(spec, Ok(0))
        };
        if is_counting {
            return LoopingCall::with_count(move |count| call(Some(count)));
        }
        LoopingCall::new(move || call(None))
    }

    fn start_loop(&self, number: Id, d: Id, interval: u64, now: bool) {
        let Some(looping) = self.looping(number) else {
            return self.record_gone(number);
        };
        let (clock, interval) = (self.clock(), flavour::ticks(interval));
        let started = if now {
            looping.start(&clock, interval)
        } else {
            looping.start_later(&clock, interval)
        };
        match started {
            Ok(ended) => {
                let machine = self.clone();
                let ended = ended.add_callback(move |()| {
                    machine.record(json!(["loop_done", number]));
                    Ok(0)
                });
                self.enter(d, ended);
            }
            Err(error) => self.record_loop_error(number, error),
        }
    }

    fn looping(&self, number: Id) -> Option<LoopingCall> {
        self.with_timed(|timed| timed.loops.get(&number).cloned())
    }

    fn change_loop(
        &self,
        number: Id,
        change: impl FnOnce(&LoopingCall) -> Result<(), LoopingCallError>,
    ) {
        let changed = self
            .looping(number)
            .map_or(Err(LoopingCallError::NotRunning), |looping| {
                change(&looping)
            });
        if let Err(error) = changed {
            self.record_loop_error(number, error);
        }
    }

    fn record_loop_error(&self, number: Id, error: LoopingCallError) {
        let name = match error {
            LoopingCallError::AlreadyRunning => "loop_running",
            LoopingCallError::StillCalling => "loop_busy",
            LoopingCallError::NotRunning => "loop_not_running",
            error => unreachable!("{error}"),
        };
        self.record(json!([name, number]));
    }
}
