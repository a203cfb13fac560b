//! The model: what a program is to do, as the documentation of the crate has it and
//! as simply as can be.
//!
//! Nodes are numbered and never freed, runs are plain recursion, and what Rust
//! would drop is dropped by name. Nothing here is shared with the crate.

use std::collections::VecDeque;
use std::sync::Arc;

use super::program::{
    Canceller, Cancelling, Capture, Error, Event, Given, Looks, Op, Outcome, PLACES, Pair, Place,
    Res, Spec, Trace,
};

/// Runs `ops` on the model.
pub(crate) fn run(ops: &[Op]) -> Trace {
    let mut model = Model {
        places: (0..PLACES).map(|_| At::default()).collect(),
        ..Model::default()
    };
    for op in ops {
        model.perform(op);
    }
    for place in 0..PLACES {
        model.perform(&Op::Look(place));
        model.perform(&Op::LookHandle(place));
    }
    while model.sweep() {}
    let leaked = model.nodes.iter().map(Node::tokens).sum();
    Trace {
        events: model.events,
        leaked,
    }
}

type Id = usize;

#[derive(Default)]
struct Model {
    nodes: Vec<Node>,
    places: Vec<At>,
    /// What callbacks have captured, in the order in which they were made.
    bags: Vec<Option<Held>>,
    /// Chains whose triggers are in other chains.
    chained: Vec<Id>,
    events: Vec<Event>,
    labels: u32,
    /// What is to be abandoned when the outermost drop has come back: what was added before
    /// the one that runs began, and what was added since, which a look runs.
    later: VecDeque<Id>,
    added: Vec<Id>,
    is_draining: bool,
}

#[derive(Default)]
struct At {
    deferred: Option<Id>,
    triggers: Vec<Id>,
    weak: Option<Id>,
    pauses: Vec<Id>,
    handle: Option<Id>,
}

struct Node {
    phase: Phase,
    result: Option<Res>,
    stages: VecDeque<Stage>,
    canceller: Option<Body<Canceller>>,
    cancel: Cancel,
    pauses: u32,
    triggers: u32,
    waiter: Option<Id>,
    end: End,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Unfired,
    Running,
    Waiting(Id),
    Settled,
    Spent,
}

#[derive(PartialEq, Eq)]
enum Cancel {
    No,
    Asking,
    SwallowOne,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Held,
    Dropped,
    Ignored,
}

enum Stage {
    Callback(Body<Spec>),
    Errback(Body<Spec>),
    Both(Body<Spec>),
    Either(Body<Spec>, Body<Spec>),
    /// Fires that node.
    Forward(Id),
}

struct Body<S> {
    label: u32,
    spec: Arc<S>,
    bag: Option<usize>,
}

#[derive(Clone, Copy)]
enum Held {
    Deferred(Id),
    Trigger(Id),
    Pause(Id),
}

/// What a stage comes to.
enum Came {
    Result(Res),
    Panicked,
    Wait(Id),
    Fired(Id),
}

impl Node {
    fn tokens(&self) -> isize {
        let stages = self.stages.iter().map(|stage| match stage {
            Stage::Callback(_) | Stage::Errback(_) | Stage::Both(_) => 1,
            Stage::Either(..) => 2,
            Stage::Forward(_) => 0,
        });
        let canceller = isize::from(self.canceller.is_some());
        stages.sum::<isize>() + canceller + isize::from(self.result.is_some())
    }

    fn is_at_end(&self) -> bool {
        self.phase == Phase::Settled && self.pauses == 0 && self.stages.is_empty()
    }
}

impl Model {
    fn perform(&mut self, op: &Op) {
        match *op {
            Op::New(place, ref canceller) => {
                let canceller = canceller.as_ref().map(|canceller| Body {
                    label: self.label(),
                    spec: Arc::clone(canceller),
                    bag: self.fill_bag(canceller.captures),
                });
                let node = self.make(Phase::Unfired, None);
                self.nodes[node].canceller = canceller;
                self.nodes[node].triggers = 1;
                self.places[place].triggers.push(node);
                self.put(place, node);
            }
            Op::Ready(place, given) => {
                let node = self.make(Phase::Settled, Some(given.map_err(Error::Coded)));
                self.put(place, node);
            }
            Op::Maybe(place, ref spec) => {
                let body = self.body(spec);
                let node = match self.call(body, None, Ok(0)) {
                    Came::Wait(node) => node,
                    Came::Result(result) => self.make(Phase::Settled, Some(result)),
                    Came::Panicked => self.make(Phase::Settled, Some(Err(Error::Panicked))),
                    Came::Fired(_) => unreachable!("only a chained one fires"),
                };
                self.put(place, node);
            }
            Op::Fire(place, given) => {
                if let Some(&node) = self.places[place].triggers.last() {
                    self.nodes[node].triggers += 1;
                    self.fire_from(place, node, given);
                }
            }
            Op::FireWeak(place, given) => {
                if let Some(node) = self.places[place].weak
                    && self.upgrade(node)
                {
                    self.fire_from(place, node, given);
                }
            }
            Op::Downgrade(place) => {
                if let Some(&node) = self.places[place].triggers.last() {
                    self.places[place].weak = Some(node);
                }
            }
            Op::CloneTrigger { from, to } => {
                if let Some(&node) = self.places[from].triggers.last() {
                    self.nodes[node].triggers += 1;
                    self.places[to].triggers.push(node);
                }
            }
            Op::DropTrigger(place) => {
                if let Some(node) = self.places[place].triggers.pop() {
                    self.drop_trigger(node);
                }
            }
            Op::Add(place, ref pair, _) => self.change(place, |model, node| {
                let stage = match pair {
                    Pair::Callback(f) => Stage::Callback(model.body(f)),
                    Pair::Errback(f) => Stage::Errback(model.body(f)),
                    Pair::Both(f) => Stage::Both(model.body(f)),
                    Pair::Either(f, g) => Stage::Either(model.body(f), model.body(g)),
                };
                model.add(node, stage)
            }),
            Op::Chain { from, to } => self.change(from, |model, node| {
                let Some(target) = model.places[to].triggers.pop() else {
                    return node;
                };
                model.chained.push(target);
                model.add(node, Stage::Forward(target))
            }),
            Op::Cancel(place) => self.change(place, |model, node| {
                model.cancel(node);
                node
            }),
            Op::Pause(place) => self.change(place, |model, node| {
                model.nodes[node].pauses += 1;
                model.places[place].pauses.push(node);
                node
            }),
            Op::Unpause(place) => {
                if let Some(node) = self.places[place].pauses.pop() {
                    self.unpause(node);
                }
            }
            Op::Drop(place) => {
                if let Some(node) = self.places[place].deferred.take() {
                    self.let_go(node, End::Dropped);
                }
            }
            Op::Ignore(place) => {
                if let Some(node) = self.places[place].deferred.take() {
                    self.let_go(node, End::Ignored);
                }
            }
            Op::IntoResult(place) | Op::Await(place) => {
                let Some(node) = self.places[place].deferred.take() else {
                    return;
                };
                if !self.nodes[node].is_at_end() {
                    if matches!(op, Op::Await(_)) {
                        self.drain_to_wait();
                    } else {
                        self.drain_to_look();
                    }
                }
                if self.nodes[node].is_at_end() {
                    let result = self.spend(node);
                    self.events.push(Event::Result(place, result));
                } else {
                    self.events.push(Event::NoResult(place));
                    self.put(place, node);
                }
            }
            Op::Look(place) => {
                // It is taken out, since a look may run something.
                self.change(place, |model, node| {
                    let looks = model.looks_now(node);
                    model.events.push(Event::Looks(place, looks));
                    node
                });
            }
            Op::Handle(place) => {
                if let Some(node) = self.places[place].deferred {
                    self.places[place].handle = Some(node);
                }
            }
            Op::CancelHandle(place) => {
                if let Some(node) = self.places[place].handle {
                    self.cancel(node);
                }
            }
            Op::PauseHandle(place) => {
                // That of one which is over counts, and holds up nothing.
                if let Some(node) = self.places[place].handle {
                    self.nodes[node].pauses += 1;
                    self.places[place].pauses.push(node);
                }
            }
            Op::LookHandle(place) => {
                if let Some(node) = self.places[place].handle {
                    let looks = match self.looks_now(node) {
                        Looks::Paused | Looks::Done => Looks::Resting,
                        looks => looks,
                    };
                    self.events.push(Event::Looks(place, looks));
                }
            }
        }
    }

    /// Lets go of what the program has left, one round; whether there was any.
    fn sweep(&mut self) -> bool {
        let mut found = false;
        for place in 0..PLACES {
            if let Some(node) = self.places[place].deferred.take() {
                found = true;
                self.let_go(node, End::Dropped);
            }
            while let Some(node) = self.places[place].pauses.pop() {
                found = true;
                self.unpause(node);
            }
            while let Some(node) = self.places[place].triggers.pop() {
                found = true;
                self.drop_trigger(node);
            }
        }
        for bag in 0..self.bags.len() {
            found |= self.bags[bag].is_some();
            self.empty_bag(Some(bag));
        }
        for index in 0..self.chained.len() {
            let node = self.chained[index];
            if self.upgrade(node) {
                if self.nodes[node].phase == Phase::Unfired {
                    found = true;
                    let refused = self.fire(node, Err(Error::Coded(0)));
                    assert!(!refused, "it was not fired");
                }
                self.drop_trigger(node);
            }
        }
        found
    }

    fn make(&mut self, phase: Phase, result: Option<Res>) -> Id {
        self.nodes.push(Node {
            phase,
            result,
            stages: VecDeque::new(),
            canceller: None,
            cancel: Cancel::No,
            pauses: 0,
            triggers: 0,
            waiter: None,
            end: End::Held,
        });
        self.nodes.len() - 1
    }

    fn put(&mut self, place: Place, node: Id) {
        if let Some(replaced) = self.places[place].deferred.replace(node) {
            self.let_go(replaced, End::Dropped);
        }
    }

    /// Takes the Deferred out while `f` works on it.
    fn change(&mut self, place: Place, f: impl FnOnce(&mut Self, Id) -> Id) {
        if let Some(node) = self.places[place].deferred.take() {
            let changed = f(self, node);
            self.put(place, changed);
        }
    }

    fn label(&mut self) -> u32 {
        self.labels += 1;
        self.labels
    }

    fn body(&mut self, spec: &Arc<Spec>) -> Body<Spec> {
        Body {
            label: self.label(),
            spec: Arc::clone(spec),
            bag: self.fill_bag(spec.captures),
        }
    }

    fn fill_bag(&mut self, captures: Option<Capture>) -> Option<usize> {
        let held = match captures? {
            Capture::Deferred(place) => Held::Deferred(self.places[place].deferred.take()?),
            Capture::Trigger(place) => Held::Trigger(self.places[place].triggers.pop()?),
            Capture::Pause(place) => Held::Pause(self.places[place].pauses.pop()?),
        };
        self.bags.push(Some(held));
        Some(self.bags.len() - 1)
    }

    fn empty_bag(&mut self, bag: Option<usize>) {
        match bag.and_then(|bag| self.bags[bag].take()) {
            None => {}
            Some(Held::Deferred(node)) => self.let_go(node, End::Dropped),
            Some(Held::Trigger(node)) => self.drop_trigger(node),
            Some(Held::Pause(node)) => self.unpause(node),
        }
    }

    fn looks_now(&mut self, node: Id) -> Looks {
        if self.looks(node) != Looks::Done {
            self.drain_to_look();
        }
        self.looks(node)
    }

    fn looks(&self, node: Id) -> Looks {
        match self.nodes[node].phase {
            Phase::Unfired => Looks::Unfired,
            Phase::Running => Looks::Running,
            Phase::Waiting(_) => Looks::Waiting,
            Phase::Settled | Phase::Spent if self.nodes[node].pauses > 0 => Looks::Paused,
            Phase::Settled | Phase::Spent => Looks::Done,
        }
    }

    /// The first one counts, and one after a bare cancel is swallowed; `true` if it is
    /// refused.
    fn fire(&mut self, node: Id, result: Res) -> bool {
        if self.nodes[node].phase == Phase::Unfired {
            self.claim(node, result);
            self.run(node);
        } else if self.nodes[node].cancel == Cancel::SwallowOne {
            self.nodes[node].cancel = Cancel::No;
        } else {
            return true;
        }
        false
    }

    /// Fires with a trigger of the program's own, which it then drops.
    fn fire_from(&mut self, place: Place, node: Id, given: Given) {
        if self.fire(node, given.map_err(Error::Coded)) {
            self.events.push(Event::Refused(place, given));
        }
        self.drop_trigger(node);
    }

    /// The canceller goes when the Deferred is fired, before anything runs.
    fn claim(&mut self, node: Id, result: Res) {
        self.nodes[node].phase = Phase::Running;
        self.nodes[node].result = Some(result);
        if let Some(canceller) = self.nodes[node].canceller.take() {
            self.empty_bag(canceller.bag);
        }
    }

    fn upgrade(&mut self, node: Id) -> bool {
        let is_alive = self.nodes[node].triggers > 0;
        self.nodes[node].triggers += u32::from(is_alive);
        is_alive
    }

    fn drop_trigger(&mut self, node: Id) {
        let state = &mut self.nodes[node];
        state.triggers -= 1;
        // While the canceller runs, `cancel` provides the result.
        if state.triggers == 0 && state.phase == Phase::Unfired && state.cancel == Cancel::No {
            self.added.push(node);
            if !self.is_draining {
                self.drain();
            }
        }
    }

    fn drain(&mut self) {
        self.is_draining = true;
        loop {
            self.later.extend(self.added.drain(..));
            let Some(node) = self.later.pop_front() else {
                break;
            };
            self.abandon(node);
        }
        self.is_draining = false;
    }

    fn abandon(&mut self, node: Id) {
        if self.nodes[node].phase == Phase::Unfired {
            self.claim(node, Err(Error::Abandoned));
            self.run(node);
            // `drain_to_wait` may have run inside, and cleared it.
            self.is_draining = true;
        }
    }

    /// A method that looks at a chain first runs the abandonments that were added since the
    /// current task of the queue began.
    fn drain_to_look(&mut self) {
        let before = self.later.len();
        loop {
            self.later.extend(self.added.drain(..).rev());
            if self.later.len() <= before {
                return;
            }
            if let Some(node) = self.later.pop_back() {
                self.abandon(node);
            }
        }
    }

    /// A loop that is about to wait runs all abandonments first; from then on, they run at once,
    /// until the current task of the queue has ended.
    fn drain_to_wait(&mut self) {
        if self.is_draining {
            self.drain();
        }
    }

    /// Runs at once what has nothing to wait for.
    fn add(&mut self, node: Id, stage: Stage) -> Id {
        self.nodes[node].stages.push_back(stage);
        self.go_on(node);
        node
    }

    /// The end of the last pause lets the callbacks run.
    fn unpause(&mut self, node: Id) {
        self.nodes[node].pauses -= 1;
        self.go_on(node);
    }

    fn go_on(&mut self, node: Id) {
        if self.nodes[node].phase == Phase::Settled && self.nodes[node].pauses == 0 {
            self.nodes[node].phase = Phase::Running;
            self.run(node);
        }
    }

    /// Runs the stages in the order added, until a pause, which a stage may cause. Stages
    /// that a stage adds run, too; other Deferreds run nested.
    fn run(&mut self, node: Id) {
        while self.nodes[node].pauses == 0 {
            let Some(stage) = self.nodes[node].stages.pop_front() else {
                return self.finish(node);
            };
            let Some(input) = self.nodes[node].result.take() else {
                unreachable!("one that runs has a result");
            };
            match self.run_stage(stage, input) {
                Came::Result(result) => self.nodes[node].result = Some(result),
                Came::Panicked => self.nodes[node].result = Some(Err(Error::Panicked)),
                Came::Fired(target) => {
                    self.nodes[node].result = Some(Ok(0));
                    self.run(target);
                }
                Came::Wait(inner) => {
                    if !self.wait(node, inner) {
                        return;
                    }
                }
            }
        }
        self.nodes[node].phase = Phase::Settled;
    }

    fn run_stage(&mut self, stage: Stage, input: Res) -> Came {
        match (stage, input) {
            (Stage::Callback(f), Ok(_)) | (Stage::Errback(f), Err(_)) | (Stage::Both(f), _) => {
                self.call(f, None, input)
            }
            (Stage::Either(f, g), Ok(_)) => self.call(f, Some(g), input),
            (Stage::Either(f, g), Err(_)) => self.call(g, Some(f), input),
            (Stage::Callback(f), Err(_)) | (Stage::Errback(f), Ok(_)) => {
                self.empty_bag(f.bag);
                Came::Result(input)
            }
            (Stage::Forward(target), _) => self.forward(target, input),
        }
    }

    /// Calls `f`, then drops the other side of the pair.
    fn call(&mut self, f: Body<Spec>, other: Option<Body<Spec>>, input: Res) -> Came {
        self.events.push(Event::Called(f.label, input));
        for op in &f.spec.ops {
            self.perform(op);
        }
        let came = match (f.spec.outcome, input) {
            (Outcome::Add(n), Ok(value)) => Came::Result(Ok(value.wrapping_add(n))),
            (Outcome::Pass | Outcome::Add(_), input) => Came::Result(input),
            (Outcome::Recover(value), _) => Came::Result(Ok(value)),
            (Outcome::Raise(code), _) => Came::Result(Err(Error::Coded(code))),
            (Outcome::Panic, _) => Came::Panicked,
            (Outcome::Return(place), _) => match self.places[place].deferred.take() {
                Some(node) => Came::Wait(node),
                None => Came::Result(Ok(0)),
            },
        };
        self.empty_bag(f.bag);
        self.empty_bag(other.and_then(|other| other.bag));
        came
    }

    /// The target has the result from now on, if it still takes one.
    fn forward(&mut self, target: Id, input: Res) -> Came {
        let came = if self.nodes[target].phase == Phase::Unfired {
            self.claim(target, input);
            Came::Fired(target)
        } else if self.nodes[target].cancel == Cancel::SwallowOne {
            self.nodes[target].cancel = Cancel::No;
            Came::Result(Ok(0))
        } else {
            Came::Result(Err(Error::AlreadyCalled))
        };
        self.drop_trigger(target);
        came
    }

    /// Takes the result over if `inner` has run to its end, and waits for it else,
    /// unless that would be in a circle; whether `outer` has its result.
    fn wait(&mut self, outer: Id, inner: Id) -> bool {
        let mut waits_for = Some(inner);
        while let Some(node) = waits_for {
            if node == outer {
                self.nodes[inner].end = End::Dropped;
                self.nodes[outer].result = Some(Err(Error::WaitCycle));
                return true;
            }
            waits_for = match self.nodes[node].phase {
                Phase::Waiting(next) => Some(next),
                _ => None,
            };
        }
        if self.nodes[inner].is_at_end() {
            let result = self.spend(inner);
            self.nodes[outer].result = Some(result);
            return true;
        }
        self.nodes[inner].waiter = Some(outer);
        self.nodes[outer].phase = Phase::Waiting(inner);
        false
    }

    /// Moves the result to the waiter if there is one; else keeps it, or reports it if it is an
    /// unhandled failure.
    fn finish(&mut self, node: Id) {
        if let Some(waiter) = self.nodes[node].waiter.take() {
            let result = self.spend(node);
            self.nodes[waiter].result = Some(result);
            self.nodes[waiter].phase = Phase::Running;
            return self.run(waiter);
        }
        self.nodes[node].phase = Phase::Settled;
        let end = self.nodes[node].end;
        if end != End::Held {
            self.let_go(node, end);
        }
    }

    fn spend(&mut self, node: Id) -> Res {
        self.nodes[node].phase = Phase::Spent;
        match self.nodes[node].result.take() {
            Some(result) => result,
            None => unreachable!("one that is at its end has a result"),
        }
    }

    fn let_go(&mut self, node: Id, end: End) {
        self.nodes[node].end = end;
        if self.nodes[node].is_at_end()
            && let Err(error) = self.spend(node)
            && end == End::Dropped
        {
            self.events.push(Event::Unhandled(error));
        }
    }

    /// Asks the canceller, or fails it, or goes on to what it waits for. A canceller
    /// that cancels again, or panics, does no harm.
    fn cancel(&mut self, node: Id) {
        match self.nodes[node].phase {
            Phase::Waiting(inner) => self.cancel(inner),
            Phase::Running | Phase::Settled | Phase::Spent => {}
            Phase::Unfired if self.nodes[node].cancel == Cancel::Asking => {}
            Phase::Unfired => match self.nodes[node].canceller.take() {
                None => {
                    self.nodes[node].cancel = Cancel::SwallowOne;
                    self.claim(node, Err(Error::Cancelled));
                    self.run(node);
                }
                Some(canceller) => {
                    self.nodes[node].cancel = Cancel::Asking;
                    self.ask(node, &canceller);
                    self.nodes[node].cancel = Cancel::No;
                    if self.nodes[node].phase == Phase::Unfired {
                        self.claim(node, Err(Error::Cancelled));
                        self.run(node);
                    }
                }
            },
        }
    }

    fn ask(&mut self, node: Id, canceller: &Body<Canceller>) {
        self.nodes[node].triggers += 1;
        self.events.push(Event::Canceller(canceller.label));
        for op in &canceller.spec.ops {
            self.perform(op);
        }
        let mut is_kept = false;
        match canceller.spec.then {
            Cancelling::Nothing => {}
            Cancelling::Fire(given) => {
                // One of its own operations may have fired it.
                let _ = self.fire(node, given.map_err(Error::Coded));
            }
            Cancelling::Keep(place) => {
                is_kept = true;
                self.places[place].triggers.push(node);
            }
            Cancelling::Panic => {}
        }
        self.empty_bag(canceller.bag);
        if !is_kept {
            self.drop_trigger(node);
        }
    }
}
