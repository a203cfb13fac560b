//! What a running program has: its Deferreds by number, and what was recorded.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Value, json};

use super::super::clock::Timed;
use super::flavour::{Deferred, Handle, Pause, PendingTrigger, Shared, Trigger};
use super::primitives::{Guard, Primitive};
use crate::program::{Event, Id};
use crate::trace::{Normalization, Stages};

/// A running program. Clones are the same one, for its callbacks.
#[derive(Clone)]
pub(crate) struct Machine {
    world: Shared<World>,
}

#[derive(Default)]
struct World {
    /// Those that the program still owns and is not just adding to.
    table: BTreeMap<Id, Deferred>,
    /// Kept to the end of the program, so that nothing is freed early.
    triggers: HashMap<Id, Trigger>,
    handles: HashMap<Id, Handle>,
    /// Explicit pauses; `None` for one of a Deferred that was gone already.
    pauses: BTreeMap<Id, Vec<Option<Pause>>>,
    /// Set aside by `drop`: a Deferred whose last trigger goes would fail with
    /// `Abandoned`, of which Twisted knows nothing.
    dropped_triggers: Vec<Trigger>,
    timed: Timed,
    events: Vec<Event>,
    /// Codes of unhandled failures, not recorded yet.
    unhandled: Vec<Value>,
    dropped_paused: usize,
    primitives: HashMap<Id, Primitive>,
    /// What the program has acquired and not released.
    held: HashMap<Id, Vec<Guard>>,
    /// Codes of failures that a combined result holds.
    moved: Vec<Value>,
    normalizations: BTreeSet<Normalization>,
    stages: Stages,
    /// How many combinations have no result yet.
    unfinished: isize,
    /// Of Deferreds that the machine has made to be never fired.
    kept: Vec<PendingTrigger<(usize, i64)>>,
    kept_paused: Vec<Pause>,
    is_over: bool,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self {
            world: Shared::new(World::default()),
        }
    }

    /// Drops what is left of the program, whose callbacks have the machine.
    pub(crate) fn clear(&self) {
        // What is dropped may run callbacks, which leave things behind.
        for _ in 0..2 {
            drop(self.world.with(std::mem::take));
        }
    }

    pub(crate) fn record(&self, event: Event) {
        self.world.with(|world| world.events.push(event));
    }

    /// Records what a pause has held up only if the program is still on.
    pub(crate) fn record_unless_over(&self, event: Event) {
        if !self.is_over() {
            self.record(event);
        }
    }

    pub(crate) fn note_moved(&self, codes: impl IntoIterator<Item = Value>) {
        let codes: Vec<_> = codes.into_iter().collect();
        self.world.with(|world| world.moved.extend(codes));
    }

    pub(crate) fn take_moved(&self) -> Vec<Value> {
        self.world.with(|world| std::mem::take(&mut world.moved))
    }

    /// Notes that the machine itself has made up for a difference.
    pub(crate) fn use_normalization(&self, normalization: Normalization) {
        self.world
            .with(|world| world.normalizations.insert(normalization));
    }

    pub(crate) fn take_normalizations(&self) -> BTreeSet<Normalization> {
        self.world
            .with(|world| std::mem::take(&mut world.normalizations))
    }

    pub(crate) fn note_stages(&self, note: impl FnOnce(&mut Stages)) {
        self.world.with(|world| note(&mut world.stages));
    }

    pub(crate) fn stages(&self) -> Stages {
        self.world.with(|world| world.stages)
    }

    pub(crate) fn change_unfinished(&self, by: isize) {
        self.world.with(|world| world.unfinished += by);
    }

    pub(crate) fn has_unfinished(&self) -> bool {
        self.world.with(|world| world.unfinished > 0)
    }

    pub(crate) fn keep(&self, trigger: PendingTrigger<(usize, i64)>) {
        self.world.with(|world| world.kept.push(trigger));
    }

    pub(crate) fn keep_paused(&self, pause: Option<Pause>) {
        self.world.with(|world| world.kept_paused.extend(pause));
    }

    pub(crate) fn enter_primitive(&self, p: Id, primitive: Primitive) {
        let replaced = self
            .world
            .with(|world| world.primitives.insert(p, primitive));
        drop(replaced);
    }

    pub(crate) fn primitive(&self, p: Id) -> Option<Primitive> {
        self.world.with(|world| world.primitives.get(&p).cloned())
    }

    pub(crate) fn enter_guard(&self, p: Id, guard: Guard) {
        self.world
            .with(|world| world.held.entry(p).or_default().push(guard));
    }

    pub(crate) fn take_guard(&self, p: Id) -> Option<Guard> {
        self.world.with(|world| world.held.get_mut(&p)?.pop())
    }

    pub(crate) fn record_gone(&self, d: Id) {
        self.record(json!(["gone", d]));
    }

    pub(crate) fn note_unhandled(&self, code: Value) {
        self.world.with(|world| world.unhandled.push(code));
    }

    /// The events of one operation; reports of unhandled failures stand last.
    pub(crate) fn end_group(&self) -> Vec<Event> {
        let unhandled = self.take_unhandled();
        if !unhandled.is_empty() {
            self.record(json!(["unhandled", unhandled]));
        }
        self.take_events()
    }

    pub(crate) fn take_events(&self) -> Vec<Event> {
        self.world.with(|world| std::mem::take(&mut world.events))
    }

    pub(crate) fn take_unhandled(&self) -> Vec<Value> {
        let mut codes = self
            .world
            .with(|world| std::mem::take(&mut world.unhandled));
        codes.sort_by_cached_key(ToString::to_string);
        codes
    }

    /// Enters a Deferred that was just made.
    pub(crate) fn enter(&self, d: Id, mut deferred: Deferred) {
        let handle = deferred.handle();
        let replaced = self.world.with(|world| {
            world.handles.insert(d, handle);
            world.table.insert(d, deferred)
        });
        drop(replaced);
    }

    pub(crate) fn enter_trigger(&self, d: Id, trigger: Trigger) {
        let replaced = self.world.with(|world| world.triggers.insert(d, trigger));
        drop(replaced);
    }

    pub(crate) fn enter_pause(&self, d: Id, pause: Option<Pause>) {
        self.world
            .with(|world| world.pauses.entry(d).or_default().push(pause));
    }

    pub(crate) fn take_pause(&self, d: Id) -> Option<Option<Pause>> {
        self.world.with(|world| world.pauses.get_mut(&d)?.pop())
    }

    pub(crate) fn take(&self, d: Id) -> Option<Deferred> {
        self.world.with(|world| world.table.remove(&d))
    }

    /// Puts back what an operation has taken out, now changed.
    pub(crate) fn put_back(&self, d: Id, deferred: Deferred) {
        let replaced = self.world.with(|world| world.table.insert(d, deferred));
        drop(replaced);
    }

    pub(crate) fn has(&self, d: Id) -> bool {
        self.world.with(|world| world.table.contains_key(&d))
    }

    pub(crate) fn ids(&self) -> Vec<Id> {
        self.world
            .with(|world| world.table.keys().copied().collect())
    }

    pub(crate) fn trigger(&self, d: Id) -> Option<Trigger> {
        self.world.with(|world| world.triggers.get(&d).cloned())
    }

    pub(crate) fn handle(&self, d: Id) -> Option<Handle> {
        self.world.with(|world| world.handles.get(&d).cloned())
    }

    /// `drop`: the Deferred, its trigger and its handle.
    pub(crate) fn forget(&self, d: Id) {
        let (deferred, handle) = self.world.with(|world| {
            world.dropped_triggers.extend(world.triggers.remove(&d));
            let is_paused = world
                .pauses
                .get(&d)
                .is_some_and(|pauses| !pauses.is_empty());
            world.dropped_paused += usize::from(is_paused);
            (world.table.remove(&d), world.handles.remove(&d))
        });
        if deferred.is_none() && handle.is_none() {
            self.record_gone(d);
        }
        drop(deferred);
    }

    pub(crate) fn dropped_paused(&self) -> usize {
        self.world.with(|world| world.dropped_paused)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.world.with(|world| world.is_over)
    }

    /// Ends the program: lets go of its Deferreds. From now on, callbacks that a pause
    /// held up only pass on what they get.
    pub(crate) fn let_go(&self) {
        let table = self.world.with(|world| {
            world.is_over = true;
            std::mem::take(&mut world.table)
        });
        drop(table);
    }

    /// Ends the pauses that are left; says whether there were any.
    pub(crate) fn end_pauses(&self) -> bool {
        let pauses = self.world.with(|world| std::mem::take(&mut world.pauses));
        let had_some = pauses.values().any(|pauses| !pauses.is_empty());
        drop(pauses);
        had_some
    }

    /// Lets go of what could fire a Deferred, once nothing is recorded any more.
    pub(crate) fn forget_triggers(&self) {
        let firing = self.world.with(|world| {
            (
                std::mem::take(&mut world.triggers),
                std::mem::take(&mut world.dropped_triggers),
                std::mem::take(&mut world.kept),
                std::mem::take(&mut world.kept_paused),
                std::mem::take(&mut world.primitives),
            )
        });
        drop(firing);
        // A guard that is dropped goes to a waiter, which enters it in `held` again.
        while let Some(held) = self.take_all_held() {
            drop(held);
        }
    }

    fn take_all_held(&self) -> Option<HashMap<Id, Vec<Guard>>> {
        let held = self.world.with(|world| std::mem::take(&mut world.held));
        (!held.is_empty()).then_some(held)
    }

    pub(crate) fn with_timed<R>(&self, f: impl FnOnce(&mut Timed) -> R) -> R {
        self.world.with(|world| f(&mut world.timed))
    }

    /// Forgets what is still to be called, once nothing is recorded any more.
    pub(crate) fn stop_clock(&self) -> impl FnOnce() + use<> {
        self.with_timed(std::mem::take).end()
    }
}
