//! Runs a program on the crate.
//!
//! Callbacks, cancellers, values and errors carry tokens, which are counted.

use std::fmt;
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, Ordering};
use std::task::{Context, Poll, Waker};

use deferred::errors::WaitCycle;
use deferred::{Abandoned, AlreadyCalled, Cancelled, Failure, Panicked};

use deferred::unhandled::with_hook;

use super::flavour::{
    Deferred, Handle, Pause, Shared, State, Trigger, WeakShared, WeakTrigger, maybe_deferred,
};
use super::program::{
    Canceller, Cancelling, Capture, Error, Event, Given, Looks, Op, Outcome, PLACES, Pair, Place,
    Res, Size, Spec, Trace,
};

/// Runs `ops` on the crate.
pub(crate) fn run(ops: &[Op]) -> Trace {
    let machine = Machine {
        live: Live::default(),
        world: Shared::new(World::default()),
    };
    let reporter = machine.clone();
    with_hook(
        move |unhandled| {
            let error = error_of(unhandled.failure());
            reporter.note(Event::Unhandled(error));
        },
        || {
            for op in ops {
                machine.perform(op);
            }
            for place in 0..PLACES {
                machine.perform(&Op::Look(place));
                machine.perform(&Op::LookHandle(place));
            }
            while machine.sweep() {}
            // Does what was put off because of a panic, so that nothing is left for
            // the next program.
            drop(Failure::catch(|| panic_quietly()));
            while machine.sweep() {}
        },
    );
    Trace {
        events: machine
            .world
            .with(|world| std::mem::take(&mut world.events)),
        leaked: machine.live.0.load(Ordering::Relaxed),
    }
}

/// What a Deferred of a program gives.
pub(crate) struct Value {
    number: i64,
    _token: Token,
}

/// How many tokens there are.
#[derive(Clone, Default)]
struct Live(Arc<AtomicIsize>);

struct Token(Live);

impl Live {
    fn token(&self) -> Token {
        self.0.fetch_add(1, Ordering::Relaxed);
        Token(self.clone())
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The error of a program: a number.
struct Coded {
    code: u8,
    _token: Token,
}

impl fmt::Debug for Coded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Coded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error {}", self.code)
    }
}

impl std::error::Error for Coded {}

fn error_of(failure: &Failure) -> Error {
    if let Some(coded) = failure.downcast_ref::<Coded>() {
        Error::Coded(coded.code)
    } else if failure.downcast_ref::<Cancelled>().is_some() {
        Error::Cancelled
    } else if failure.downcast_ref::<Abandoned>().is_some() {
        Error::Abandoned
    } else if failure.downcast_ref::<AlreadyCalled>().is_some() {
        Error::AlreadyCalled
    } else if failure.downcast_ref::<WaitCycle>().is_some() {
        Error::WaitCycle
    } else if failure.downcast_ref::<Panicked>().map(Panicked::message) == Some(PANIC) {
        Error::Panicked
    } else {
        unreachable!("no program raises {failure:?}")
    }
}

fn seen(result: &deferred::Result<Value>) -> Res {
    match result {
        Ok(value) => Ok(value.number),
        Err(failure) => Err(error_of(failure)),
    }
}

const PANIC: &str = "as the program says";

/// Panics without a word on standard error.
fn panic_quietly() -> ! {
    resume_unwind(Box::new(PANIC))
}

/// A running program. Clones are the same one, for its callbacks.
#[derive(Clone)]
struct Machine {
    live: Live,
    world: Shared<World>,
}

#[derive(Default)]
struct World {
    places: [At; PLACES],
    /// Captured by callbacks, in the order in which they were made.
    bags: Vec<WeakShared<Option<Held>>>,
    /// Triggers that are in chains.
    chained: Vec<WeakTrigger>,
    events: Vec<Event>,
    labels: u32,
}

#[derive(Default)]
struct At {
    deferred: Option<Deferred>,
    triggers: Vec<Trigger>,
    /// `None` for one of a Deferred that was gone already.
    pauses: Vec<Option<Pause>>,
    // Of these the last is used; the others are kept, since a Deferred that has
    // handles may take other ways.
    weak: Vec<WeakTrigger>,
    handles: Vec<Handle>,
}

/// What a callback has captured. The program's end takes it out, since a callback
/// may own what would have to call it.
struct Bag {
    _held: Option<Shared<Option<Held>>>,
}

#[expect(dead_code, reason = "they are only held, and dropped")]
enum Held {
    Deferred(Deferred),
    Trigger(Trigger),
    Pause(Option<Pause>),
}

/// What is captured besides, so that callbacks have different sizes.
trait Room: Send + 'static {
    fn new(label: u32) -> Self;
    fn is_intact(&self, label: u32) -> bool;
}

impl Room for () {
    fn new(_label: u32) -> Self {}

    fn is_intact(&self, _label: u32) -> bool {
        true
    }
}

impl<const N: usize> Room for [u32; N] {
    fn new(label: u32) -> Self {
        [label; N]
    }

    fn is_intact(&self, label: u32) -> bool {
        self.iter().all(|&word| word == label)
    }
}

#[repr(align(32))]
struct Aligned([u32; 8]);

impl Room for Aligned {
    fn new(label: u32) -> Self {
        Self(Room::new(label))
    }

    fn is_intact(&self, label: u32) -> bool {
        (&raw const *self).addr().is_multiple_of(32) && self.0.is_intact(label)
    }
}

/// A callback that was not called yet.
struct Body<S, R> {
    machine: Machine,
    label: u32,
    spec: Arc<S>,
    _bag: Bag,
    room: R,
    _token: Token,
}

impl<R: Room> Body<Spec, R> {
    fn returns_deferred(&self) -> bool {
        matches!(self.spec.outcome, Outcome::Return(_))
    }

    /// Whatever the outcome, the bag is dropped after it was found.
    fn call(self, input: deferred::Result<Value>) -> deferred::Result<Value> {
        self.begin(seen(&input));
        match (self.spec.outcome, input) {
            (Outcome::Add(n), Ok(value)) => Ok(Value {
                number: value.number.wrapping_add(n),
                ..value
            }),
            (Outcome::Pass | Outcome::Add(_), input) => input,
            (Outcome::Recover(number), _) => Ok(self.machine.value(number)),
            (Outcome::Raise(code), _) => Err(self.machine.failure(code)),
            (Outcome::Panic, _) => panic_quietly(),
            (Outcome::Return(_), _) => unreachable!("it is added as what returns a Deferred"),
        }
    }

    fn call_for_deferred(self, input: deferred::Result<Value>) -> Deferred {
        self.begin(seen(&input));
        let Outcome::Return(place) = self.spec.outcome else {
            unreachable!("it is added as what returns a result");
        };
        match self.machine.take(place) {
            Some(deferred) => deferred,
            None => Deferred::from(Ok(self.machine.value(0))),
        }
    }

    fn begin(&self, input: Res) {
        assert!(
            self.room.is_intact(self.label),
            "overwritten: {}",
            self.label
        );
        self.machine.note(Event::Called(self.label, input));
        for op in &self.spec.ops {
            self.machine.perform(op);
        }
    }
}

impl Body<Canceller, ()> {
    fn call(self, trigger: Trigger) {
        self.machine.note(Event::Canceller(self.label));
        for op in &self.spec.ops {
            self.machine.perform(op);
        }
        let mut given = Some(trigger);
        match self.spec.then {
            Cancelling::Nothing => {}
            Cancelling::Fire(with) => {
                let result = self.machine.result(with);
                // One of its own operations may have fired it.
                drop(given.as_ref().map(|trigger| trigger.fire(result)));
            }
            Cancelling::Keep(place) => self.machine.world.with(|world| {
                world.places[place].triggers.extend(given.take());
            }),
            Cancelling::Panic => panic_quietly(),
        }
        drop(self);
        drop(given);
    }
}

impl Machine {
    fn perform(&self, op: &Op) {
        match *op {
            Op::New(place, ref canceller) => {
                let (trigger, deferred) = match canceller {
                    None => Deferred::pair(),
                    Some(spec) => {
                        let canceller = self.body::<_, ()>(spec, spec.captures);
                        Deferred::with_canceller(move |trigger| canceller.call(trigger))
                    }
                };
                self.at(place, |at| at.triggers.push(trigger));
                self.put(place, deferred);
            }
            Op::Ready(place, given) => self.put(place, Deferred::from(self.result(given))),
            Op::Maybe(place, ref spec) => {
                let body = self.body::<_, ()>(spec, spec.captures);
                let input = Ok(self.value(0));
                let deferred = if body.returns_deferred() {
                    maybe_deferred(|| body.call_for_deferred(input))
                } else {
                    maybe_deferred(|| body.call(input))
                };
                self.put(place, deferred);
            }
            Op::Fire(place, given) => {
                let trigger = self.at(place, |at| at.triggers.last().cloned());
                self.fire(place, trigger, given);
            }
            Op::FireWeak(place, given) => {
                let trigger = self.at(place, |at| at.weak.last()?.upgrade());
                self.fire(place, trigger, given);
            }
            Op::Downgrade(place) => self.at(place, |at| {
                if let Some(trigger) = at.triggers.last() {
                    at.weak.push(trigger.downgrade());
                }
            }),
            Op::CloneTrigger { from, to } => self.world.with(|world| {
                let trigger = world.places[from].triggers.last().cloned();
                world.places[to].triggers.extend(trigger);
            }),
            Op::DropTrigger(place) => drop(self.at(place, |at| at.triggers.pop())),
            Op::Add(place, ref pair, size) => self.change(place, |deferred| match size {
                Size::Small => self.add::<()>(deferred, pair),
                Size::Wide => self.add::<[u32; 12]>(deferred, pair),
                Size::Huge => self.add::<[u32; 40]>(deferred, pair),
                Size::Aligned => self.add::<Aligned>(deferred, pair),
            }),
            Op::Chain { from, to } => self.change(from, |deferred| self.chain(deferred, to)),
            Op::Cancel(place) => self.change(place, |deferred| {
                deferred.cancel();
                deferred
            }),
            Op::Pause(place) => self.change(place, |mut deferred| {
                let pause = deferred.pause();
                self.at(place, |at| at.pauses.push(Some(pause)));
                deferred
            }),
            Op::Unpause(place) => drop(self.at(place, |at| at.pauses.pop())),
            Op::Drop(place) => drop(self.take(place)),
            Op::Ignore(place) => {
                if let Some(deferred) = self.take(place) {
                    deferred.ignore();
                }
            }
            Op::IntoResult(place) => {
                if let Some(deferred) = self.take(place) {
                    match deferred.into_result() {
                        Ok(result) => self.note(Event::Result(place, seen(&result))),
                        Err(deferred) => self.note_none(place, deferred),
                    }
                }
            }
            Op::Await(place) => {
                if let Some(mut deferred) = self.take(place) {
                    let mut cx = Context::from_waker(Waker::noop());
                    match Pin::new(&mut deferred).poll(&mut cx) {
                        Poll::Ready(result) => self.note(Event::Result(place, seen(&result))),
                        Poll::Pending => self.note_none(place, deferred),
                    }
                }
            }
            Op::Look(place) => {
                // Taken out, since a look may run something.
                self.change(place, |deferred| {
                    self.note(Event::Looks(place, looks_of(deferred.state())));
                    deferred
                });
            }
            Op::Handle(place) => self.at(place, |at| {
                if let Some(deferred) = &mut at.deferred {
                    at.handles.push(deferred.handle());
                }
            }),
            Op::CancelHandle(place) => {
                if let Some(handle) = self.handle(place) {
                    handle.cancel();
                }
            }
            Op::PauseHandle(place) => {
                if let Some(handle) = self.handle(place) {
                    let pause = handle.pause();
                    self.at(place, |at| at.pauses.push(pause));
                }
            }
            Op::LookHandle(place) => {
                if let Some(handle) = self.handle(place) {
                    let looks = match handle.state().map(looks_of) {
                        None | Some(Looks::Paused | Looks::Done) => Looks::Resting,
                        Some(looks) => looks,
                    };
                    self.note(Event::Looks(place, looks));
                }
            }
        }
    }

    /// Lets go of what the program has left, one round; whether there was any.
    fn sweep(&self) -> bool {
        let mut found = false;
        for place in 0..PLACES {
            if let Some(deferred) = self.take(place) {
                found = true;
                drop(deferred);
            }
            while let Some(pause) = self.at(place, |at| at.pauses.pop()) {
                found = true;
                drop(pause);
            }
            while let Some(trigger) = self.at(place, |at| at.triggers.pop()) {
                found = true;
                drop(trigger);
            }
        }
        for index in 0..self.world.with(|world| world.bags.len()) {
            let bag = self.world.with(|world| world.bags[index].upgrade());
            if let Some(held) = bag.and_then(|bag| bag.with(Option::take)) {
                found = true;
                drop(held);
            }
        }
        for index in 0..self.world.with(|world| world.chained.len()) {
            let trigger = self.world.with(|world| world.chained[index].upgrade());
            if let Some(trigger) = trigger
                && !trigger.is_fired()
            {
                found = true;
                let fired = trigger.errback(self.failure(0));
                assert!(fired.is_ok(), "it was not fired");
            }
        }
        found
    }

    fn note(&self, event: Event) {
        self.world.with(|world| world.events.push(event));
    }

    fn note_none(&self, place: Place, deferred: Deferred) {
        self.note(Event::NoResult(place));
        self.put(place, deferred);
    }

    fn at<R>(&self, place: Place, f: impl FnOnce(&mut At) -> R) -> R {
        self.world.with(|world| f(&mut world.places[place]))
    }

    fn take(&self, place: Place) -> Option<Deferred> {
        self.at(place, |at| at.deferred.take())
    }

    fn put(&self, place: Place, deferred: Deferred) {
        let replaced = self.at(place, |at| at.deferred.replace(deferred));
        drop(replaced);
    }

    fn handle(&self, place: Place) -> Option<Handle> {
        self.at(place, |at| at.handles.last().cloned())
    }

    /// Takes the Deferred out, and puts back what `change` makes of it.
    fn change(&self, place: Place, change: impl FnOnce(Deferred) -> Deferred) {
        if let Some(deferred) = self.take(place) {
            self.put(place, change(deferred));
        }
    }

    fn value(&self, number: i64) -> Value {
        Value {
            number,
            _token: self.live.token(),
        }
    }

    fn failure(&self, code: u8) -> Failure {
        Failure::new(Coded {
            code,
            _token: self.live.token(),
        })
    }

    fn result(&self, given: Given) -> deferred::Result<Value> {
        match given {
            Ok(number) => Ok(self.value(number)),
            Err(code) => Err(self.failure(code)),
        }
    }

    fn body<S, R: Room>(&self, spec: &Arc<S>, captures: Option<Capture>) -> Body<S, R> {
        let label = self.world.with(|world| {
            world.labels += 1;
            world.labels
        });
        Body {
            machine: self.clone(),
            label,
            spec: Arc::clone(spec),
            _bag: self.bag(captures),
            room: R::new(label),
            _token: self.live.token(),
        }
    }

    fn bag(&self, captures: Option<Capture>) -> Bag {
        let held = captures.and_then(|capture| match capture {
            Capture::Deferred(place) => self.take(place).map(Held::Deferred),
            Capture::Trigger(place) => self.at(place, |at| at.triggers.pop()).map(Held::Trigger),
            Capture::Pause(place) => self.at(place, |at| at.pauses.pop()).map(Held::Pause),
        });
        let held = held.map(|held| Shared::new(Some(held)));
        if let Some(held) = &held {
            let held = held.downgrade();
            self.world.with(|world| world.bags.push(held));
        }
        Bag { _held: held }
    }

    fn fire(&self, place: Place, trigger: Option<Trigger>, given: Given) {
        let Some(trigger) = trigger else { return };
        let refused = match self.result(given) {
            Ok(value) => trigger.callback(value).map_err(|refused| {
                let value = refused.into_inner();
                Ok(value)
            }),
            Err(failure) => trigger
                .errback(failure)
                .map_err(|refused| Err(refused.into_inner())),
        };
        if let Err(undelivered) = refused {
            let undelivered = seen(&undelivered).map_err(|error| match error {
                Error::Coded(code) => code,
                other => unreachable!("not a value of the model: {other:?}"),
            });
            self.note(Event::Refused(place, undelivered));
        }
    }

    fn add<R: Room>(&self, deferred: Deferred, pair: &Pair) -> Deferred {
        match pair {
            Pair::Callback(f) => {
                let f = self.body::<_, R>(f, f.captures);
                if f.returns_deferred() {
                    return deferred.add_callback(move |value| f.call_for_deferred(Ok(value)));
                }
                deferred.add_callback(move |value| f.call(Ok(value)))
            }
            Pair::Errback(f) => {
                let f = self.body::<_, R>(f, f.captures);
                if f.returns_deferred() {
                    return deferred.add_errback(move |failure| f.call_for_deferred(Err(failure)));
                }
                deferred.add_errback(move |failure| f.call(Err(failure)))
            }
            Pair::Both(f) => {
                let f = self.body::<_, R>(f, f.captures);
                if f.returns_deferred() {
                    return deferred.add_both(move |result| f.call_for_deferred(result));
                }
                deferred.add_both(move |result| f.call(result))
            }
            Pair::Either(f, g) => {
                let f = self.body::<_, R>(f, f.captures);
                let g = self.body::<_, R>(g, g.captures);
                self.add_either(deferred, f, g)
            }
        }
    }

    fn add_either<R: Room>(
        &self,
        deferred: Deferred,
        f: Body<Spec, R>,
        g: Body<Spec, R>,
    ) -> Deferred {
        match (f.returns_deferred(), g.returns_deferred()) {
            (false, false) => deferred.add_callbacks(
                move |value| f.call(Ok(value)),
                move |failure| g.call(Err(failure)),
            ),
            (false, true) => deferred.add_callbacks(
                move |value| f.call(Ok(value)),
                move |failure| g.call_for_deferred(Err(failure)),
            ),
            (true, false) => deferred.add_callbacks(
                move |value| f.call_for_deferred(Ok(value)),
                move |failure| g.call(Err(failure)),
            ),
            (true, true) => deferred.add_callbacks(
                move |value| f.call_for_deferred(Ok(value)),
                move |failure| g.call_for_deferred(Err(failure)),
            ),
        }
    }

    fn chain(&self, deferred: Deferred, to: Place) -> Deferred {
        let trigger = self.world.with(|world| {
            let trigger = world.places[to].triggers.pop()?;
            world.chained.push(trigger.downgrade());
            Some(trigger)
        });
        let Some(trigger) = trigger else {
            return deferred;
        };
        let zero = self.value(0);
        deferred
            .chain_deferred(trigger)
            .add_callback(move |()| Ok(zero))
    }
}

fn looks_of(state: State) -> Looks {
    match state {
        State::Unfired => Looks::Unfired,
        State::Running => Looks::Running,
        State::Waiting => Looks::Waiting,
        State::Paused => Looks::Paused,
        State::Done => Looks::Done,
        other => unreachable!("the model knows no {other:?}"),
    }
}
