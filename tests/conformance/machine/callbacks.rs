//! The callbacks of a program, and how they are added.

use std::sync::Arc;

use serde_json::json;

use super::flavour::{self, Deferred};
use super::world::Machine;
use crate::codes::{code_of, failure_of};
use crate::program::{Outcome, Spec};

impl Machine {
    /// What `run` calls.
    pub(crate) fn call_without_input(&self, spec: &Arc<Spec>) -> Deferred {
        self.maybe_deferred(spec)
    }

    pub(crate) fn maybe_deferred(&self, spec: &Arc<Spec>) -> Deferred {
        if spec.returns_deferred() {
            return flavour::maybe_deferred(|| self.call_bare_for_deferred(spec));
        }
        flavour::maybe_deferred(|| self.call_bare(spec))
    }

    /// Calls one that gets no input; if the program is over, it does nothing.
    pub(crate) fn call_bare(&self, spec: &Spec) -> flavour::Result {
        if self.is_over() {
            return Ok(0);
        }
        self.record_labelled("run", spec, None);
        self.run_acts(spec);
        result_of(spec, Ok(0))
    }

    pub(crate) fn call_bare_for_deferred(&self, spec: &Spec) -> Deferred {
        if self.is_over() {
            return flavour::succeed(0);
        }
        self.record_labelled("run", spec, None);
        self.run_acts(spec);
        self.deferred_of(spec, Ok(0))
    }

    pub(crate) fn add_callback(&self, deferred: Deferred, spec: &Arc<Spec>) -> Deferred {
        let (machine, spec) = (self.clone(), Arc::clone(spec));
        if spec.returns_deferred() {
            return deferred.add_callback(move |value| machine.call_for_deferred(&spec, Ok(value)));
        }
        deferred.add_callback(move |value| machine.call(&spec, Ok(value)))
    }

    pub(crate) fn add_errback(&self, deferred: Deferred, spec: &Arc<Spec>) -> Deferred {
        let (machine, spec) = (self.clone(), Arc::clone(spec));
        if spec.returns_deferred() {
            return deferred
                .add_errback(move |failure| machine.call_for_deferred(&spec, Err(failure)));
        }
        deferred.add_errback(move |failure| machine.call(&spec, Err(failure)))
    }

    pub(crate) fn add_both(&self, deferred: Deferred, spec: &Arc<Spec>) -> Deferred {
        let (machine, spec) = (self.clone(), Arc::clone(spec));
        if spec.returns_deferred() {
            return deferred.add_both(move |result| machine.call_for_deferred(&spec, result));
        }
        deferred.add_both(move |result| machine.call(&spec, result))
    }

    pub(crate) fn add_callbacks(
        &self,
        deferred: Deferred,
        f: &Arc<Spec>,
        g: &Arc<Spec>,
    ) -> Deferred {
        let on_value = (self.clone(), Arc::clone(f));
        let on_failure = (self.clone(), Arc::clone(g));
        let value_side = move |value| {
            let (machine, spec) = on_value;
            machine.call(&spec, Ok(value))
        };
        let failure_side = move |failure| {
            let (machine, spec) = on_failure;
            machine.call(&spec, Err(failure))
        };
        if !f.returns_deferred() && !g.returns_deferred() {
            return deferred.add_callbacks(value_side, failure_side);
        }
        let on_value = (self.clone(), Arc::clone(f));
        let on_failure = (self.clone(), Arc::clone(g));
        let value_to_deferred = move |value| {
            let (machine, spec) = on_value;
            machine.call_for_deferred(&spec, Ok(value))
        };
        let failure_to_deferred = move |failure| {
            let (machine, spec) = on_failure;
            machine.call_for_deferred(&spec, Err(failure))
        };
        match (f.returns_deferred(), g.returns_deferred()) {
            (true, false) => deferred.add_callbacks(value_to_deferred, failure_side),
            (false, true) => deferred.add_callbacks(value_side, failure_to_deferred),
            _ => deferred.add_callbacks(value_to_deferred, failure_to_deferred),
        }
    }

    pub(crate) fn call(&self, spec: &Spec, input: flavour::Result) -> flavour::Result {
        if self.begin(spec, &input) {
            result_of(spec, input)
        } else {
            input
        }
    }

    pub(crate) fn call_for_deferred(&self, spec: &Spec, input: flavour::Result) -> Deferred {
        if self.begin(spec, &input) {
            self.deferred_of(spec, input)
        } else {
            Deferred::from(input)
        }
    }

    /// Records the call and runs what it does on the way; `false` if the program
    /// is over, when callbacks do nothing.
    fn begin(&self, spec: &Spec, input: &flavour::Result) -> bool {
        if self.is_over() {
            return false;
        }
        self.record_labelled("cb", spec, Some(input));
        self.run_acts(spec);
        true
    }

    fn record_labelled(&self, kind: &str, spec: &Spec, input: Option<&flavour::Result>) {
        let Some(label) = spec.label else { return };
        self.record(match input {
            None => json!([kind, label]),
            Some(Ok(value)) => json!([kind, label, value]),
            Some(Err(failure)) => json!(["eb", label, code_of(failure)]),
        });
    }

    pub(crate) fn run_acts(&self, spec: &Spec) {
        for act in &spec.acts {
            self.perform(act);
        }
    }

    pub(crate) fn deferred_of(&self, spec: &Spec, input: flavour::Result) -> Deferred {
        let Outcome::ReturnDeferred(d) = spec.outcome else {
            return Deferred::from(result_of(spec, input));
        };
        self.take(d).unwrap_or_else(|| {
            self.record_gone(d);
            flavour::succeed(0)
        })
    }
}

fn result_of(spec: &Spec, input: flavour::Result) -> flavour::Result {
    match (spec.outcome, input) {
        (Outcome::Add(k), Ok(value)) => Ok(value + k),
        (Outcome::Value(value), _) => Ok(value),
        (Outcome::Raise(code), _) => Err(failure_of(code)),
        (Outcome::Trap { code, value }, Err(failure)) if code_of(&failure) == json!(code) => {
            Ok(value)
        }
        (Outcome::ReturnDeferred(d), _) => unreachable!("deferred {d} is not a result"),
        (Outcome::Pass | Outcome::Add(_) | Outcome::Trap { .. }, input) => input,
    }
}
