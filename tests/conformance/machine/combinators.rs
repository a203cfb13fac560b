//! Operations that make several Deferreds into one.

use serde_json::{Value, json};

use super::flavour::{self, Deferred, DeferredList, Pending};
use super::world::Machine;
use crate::codes::{code_of, codes_within, is_of_nothing};
use crate::combination::{Combination, Kind};
use crate::trace::Normalization;

impl Machine {
    pub(crate) fn combine(&self, combination: &Combination) {
        let Combination { d, label, .. } = *combination;
        let parts = self.take_parts(&combination.parts);
        let list = |parts| {
            let list = DeferredList::new(parts);
            if combination.consumes_errors {
                list.consume_errors()
            } else {
                list
            }
        };
        let combined = match combination.kind {
            Kind::Settled { fails_early: false } => {
                self.reduce_list(list(parts).into_deferred(), label)
            }
            Kind::Settled { fails_early: true } => {
                let list = list(parts).fire_on_one_errback();
                self.reduce_list(list.into_deferred(), label)
            }
            Kind::FirstValue { .. } if parts.is_empty() => {
                let never = self.expect_failure_of_nothing(list(parts).fire_on_one_callback());
                // Unlike a race, Twisted's list cannot be cancelled then.
                let mut part = never.add_callback(|(_index, value)| Ok(value));
                let handle = part.handle();
                self.keep_paused(handle.pause());
                let first = list(vec![part]).fire_on_one_callback();
                self.reduce_first(first, label)
            }
            Kind::FirstValue { fails_early } => {
                let list = list(parts);
                let list = if fails_early {
                    list.fire_on_one_errback()
                } else {
                    list
                };
                self.reduce_first(list.fire_on_one_callback(), label)
            }
            Kind::Gather => self.reduce_gathered(list(parts).into_values(), label),
            Kind::Race if parts.is_empty() => {
                self.reduce_race(self.expect_failure_of_nothing(flavour::race(parts)), label)
            }
            Kind::Race => self.reduce_race(flavour::race(parts), label),
        };
        self.note_stages(|stages| stages.combination = true);
        self.enter(d, combined);
    }

    fn take_parts(&self, ids: &[i64]) -> Vec<Deferred> {
        let mut parts = Vec::with_capacity(ids.len());
        for d in ids {
            match self.take(*d) {
                Some(part) => parts.push(part),
                None => self.record_gone(*d),
            }
        }
        parts
    }

    fn reduce_list(&self, list: Pending<Vec<flavour::Result>>, label: i64) -> Deferred {
        let machine = self.clone();
        self.note_failures_within(list)
            .add_callback(move |results| {
                let shown = results.iter().map(|result| match result {
                    Ok(value) => json!(["ok", value]),
                    Err(failure) => json!(["err", code_of(failure)]),
                });
                let shown: Vec<Value> = shown.collect();
                let failures = results.iter().filter_map(|result| result.as_ref().err());
                machine.note_moved(failures.map(code_of));
                machine.record_unless_over(json!(["list", label, shown]));
                Ok(results.into_iter().flatten().sum())
            })
    }

    fn reduce_first(&self, first: Pending<(usize, i64)>, label: i64) -> Deferred {
        let machine = self.clone();
        let reduced = self
            .note_failures_within(first)
            .add_callback(move |(index, value)| {
                machine.record_unless_over(json!(["first", label, value, index]));
                Ok(value)
            });
        let machine = self.clone();
        reduced.add_errback(move |failure| match code_of(&failure) {
            // Twisted gives the plain list here.
            Value::Array(code) if code.first() == Some(&json!("group")) => {
                machine.use_normalization(Normalization::NoFirstValue);
                let failures = codes_within(&failure).into_iter();
                let shown: Vec<Value> = failures.map(|code| json!(["err", code])).collect();
                machine.record_unless_over(json!(["list", label, shown]));
                Ok(0)
            }
            _ => Err(failure),
        })
    }

    fn reduce_gathered(&self, gathered: Pending<Vec<i64>>, label: i64) -> Deferred {
        let machine = self.clone();
        self.note_failures_within(gathered)
            .add_callback(move |values| {
                machine.record_unless_over(json!(["gather", label, values]));
                Ok(values.iter().sum())
            })
    }

    fn reduce_race(&self, race: Pending<(usize, i64)>, label: i64) -> Deferred {
        let machine = self.clone();
        self.note_end_of(race).add_callback(move |(index, value)| {
            machine.record_unless_over(json!(["race", label, index, value]));
            Ok(value)
        })
    }

    /// The first value of nothing must fail at once. Twisted's Deferred never fires:
    /// so does what this gives.
    fn expect_failure_of_nothing(&self, first: Pending<(usize, i64)>) -> Pending<(usize, i64)> {
        match first.into_result() {
            Ok(Err(failure)) if is_of_nothing(&failure) => {
                self.use_normalization(Normalization::FirstOfNothing);
                let (trigger, never) = Pending::pair();
                self.keep(trigger);
                never
            }
            Ok(result) => Pending::from(result),
            Err(pending) => pending,
        }
    }

    fn note_end_of<T: Send + 'static>(&self, combined: Pending<T>) -> Pending<T> {
        self.change_unfinished(1);
        let machine = self.clone();
        combined.add_both(move |result| {
            machine.change_unfinished(-1);
            result
        })
    }

    fn note_failures_within<T: Send + 'static>(&self, combined: Pending<T>) -> Pending<T> {
        let machine = self.clone();
        self.note_end_of(combined).add_errback(move |failure| {
            machine.note_moved(codes_within(&failure));
            Err(failure)
        })
    }
}
