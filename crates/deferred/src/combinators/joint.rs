//! Shared state of a combination, and the stage that each part gets.

use super::rule::{Rule, Verdict};
#[cfg(feature = "sync")]
use crate::chain::Shared;
use crate::chain::{
    CoreWeak, Fits, Flavour, Group, Local, LocalCell, Receiver, ReceiverState, Sender, Skips,
    Stage, Step, cancel_core, delegate, keep_from_waited,
};
use crate::error::Cancelled;
use crate::failure::{Failure, FirstError, Result};
use crate::panics::{drop_contained, drop_each_contained, run_contained};
use crate::stage_trace::CallSite;

/// The options of a combination. Its [`Rule`] says which results it waits for.
#[derive(Clone, Copy)]
pub(crate) struct Options {
    /// Failures that are not part of the result are dropped, instead of reported as unhandled.
    pub(crate) consumes_errors: bool,
    /// When the result is decided, the parts without a result are cancelled.
    pub(crate) cancels_rest: bool,
    pub(crate) on_cancel: OnCancel,
    pub(crate) made_at: CallSite,
}

/// What decides the result of a combination that was cancelled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnCancel {
    /// The results of its parts, which are cancelled too. If one of them has no result yet,
    /// because it is paused, the combination waits.
    PartsDecide,
    /// As `PartsDecide`, but the combination does not wait: if the parts leave it unfired, it fails
    /// with `Cancelled`.
    PartsOrCancelled,
}

/// State that the parts share.
pub(crate) struct Joint<M: Flavour, R: Rule> {
    /// By index; empty once the result is decided.
    parts: Vec<PartState<M, R>>,
    /// Number of parts that have no result yet.
    missing: usize,
    /// Fires the combined Deferred; `None` once the result is decided.
    sender: Option<Sender<M, R::Output>>,
    rule: R,
    options: Options,
    /// Set when the combined Deferred, and with it its parts, was cancelled; never cleared.
    is_cancelled: bool,
}

enum PartState<M: Flavour, R: Rule> {
    /// Without a result; `None` if the part cannot be cancelled.
    Due(Option<CoreWeak<M>>),
    Kept(R::Kept),
}

/// The stage that is added to a part.
pub(crate) struct Arrival<M: Flavour, R: Rule> {
    joint: M::Handle<Joint<M, R>>,
    index: usize,
}

/// Effect of the result of one part.
enum Arrived<M: Flavour, R: Rule> {
    /// The result is kept, in place of this.
    Kept(PartState<M, R>),
    /// The result is kept, and it was the last one missing.
    Complete(Decided<M, R>),
    Succeeded(Decided<M, R>, R::Output),
    Failed(Decided<M, R>, Failure),
    /// The combined result was decided before; the flag is `is_cancelled`.
    Late(Result<R::Value>, Options, bool),
}

/// The shared state, taken out when the result is decided.
struct Decided<M: Flavour, R: Rule> {
    sender: Sender<M, R::Output>,
    parts: Vec<PartState<M, R>>,
    options: Options,
}

/// A flavour whose combinations under `R` can be cancelled.
pub(crate) trait Combines<R: Rule>: Flavour {
    /// The state as a group of chains, which `cancel` goes through.
    fn group(joint: Self::Handle<Joint<Self, R>>) -> Self::Group;
}

impl<R: Rule> Combines<R> for Local {
    fn group(joint: Self::Handle<Joint<Self, R>>) -> Self::Group {
        joint
    }
}

impl<R: Rule> Group<Local> for LocalCell<Joint<Local, R>> {
    fn due(&self) -> Vec<CoreWeak<Local>> {
        Local::with(self, |joint| joint.cancel())
    }

    fn made_at(&self) -> CallSite {
        Local::with(self, |joint| joint.options.made_at)
    }

    fn ends_at_once(&self) -> bool {
        Local::with(self, |joint| {
            joint.options.on_cancel == OnCancel::PartsOrCancelled
        })
    }
}

#[cfg(feature = "sync")]
impl<R: Rule> Combines<R> for Shared
where
    Joint<Self, R>: Send,
{
    fn group(joint: Self::Handle<Joint<Self, R>>) -> Self::Group {
        joint
    }
}

#[cfg(feature = "sync")]
impl<R: Rule> Group<Shared> for parking_lot::Mutex<Joint<Shared, R>> {
    fn due(&self) -> Vec<CoreWeak<Shared>> {
        Shared::with(self, |joint| joint.cancel())
    }

    fn made_at(&self) -> CallSite {
        Shared::with(self, |joint| joint.options.made_at)
    }

    fn ends_at_once(&self) -> bool {
        Shared::with(self, |joint| {
            joint.options.on_cancel == OnCancel::PartsOrCancelled
        })
    }
}

/// Combines `receivers` by `rule`.
pub(crate) fn combine<M, R>(
    receivers: Vec<Receiver<M, R::Value>>,
    rule: R,
    options: Options,
) -> Receiver<M, R::Output>
where
    M: Combines<R>,
    R: Rule,
    R::Value: Fits<M>,
    R::Output: Fits<M>,
    Arrival<M, R>: Fits<M>,
    (): Fits<M>,
{
    if receivers.is_empty() {
        let mut combined = Receiver::Ready(R::complete(std::iter::empty(), options.made_at));
        if options.on_cancel == OnCancel::PartsDecide
            && let Some(core) = combined.core(options.made_at)
        {
            keep_from_waited::<M>(core);
        }
        return combined;
    }
    let (sender, combined) = Sender::pair(options.made_at);
    let joint = M::handle(Joint {
        parts: receivers
            .iter()
            .map(|receiver| PartState::Due(receiver.downgrade()))
            .collect(),
        missing: receivers.len(),
        sender: Some(sender),
        rule,
        options,
        is_cancelled: false,
    });
    // Before the stages are added: a part that has its result runs its stage at once, and may
    // decide the result.
    if let Receiver::Linked(link) = &combined {
        delegate::<M>(link.core(), M::group(joint.clone()));
    }
    for (index, receiver) in receivers.into_iter().enumerate() {
        let joint = joint.clone();
        let receiver = receiver.add(Arrival::<M, R> { joint, index }, options.made_at);
        // The stage handles the result of the part; a failure that it passes on, being late, is
        // reported.
        receiver.let_go(ReceiverState::Detached);
    }
    combined
}

impl<M, R> Stage<M, R::Value> for Arrival<M, R>
where
    Self: Fits<M>,
    M: Flavour,
    R: Rule,
    R::Value: Fits<M>,
    R::Output: Fits<M>,
    (): Fits<M>,
{
    type Out = ();
    const SKIPS: Skips = Skips::Nothing;

    fn run(self, input: Result<R::Value>) -> Step<M, ()> {
        // The lock is held for the bookkeeping only; everything that runs code of the user comes
        // below, without it.
        match M::with(&self.joint, |joint| joint.take_in(self.index, input)) {
            Arrived::Kept(replaced) => {
                // The weak reference to this part. It may be the last one to the core's memory,
                // which is freed outside of the lock.
                drop(replaced);
                Step::Done(Ok(()))
            }
            Arrived::Complete(decided) => {
                let kept = decided.parts.into_iter().filter_map(PartState::into_kept);
                fire(&decided.sender, R::complete(kept, decided.options.made_at))
            }
            Arrived::Succeeded(decided, output) => {
                let sender = decided.let_go_of_rest(self.index);
                fire(&sender, Ok(output))
            }
            Arrived::Failed(decided, failure) => {
                let (raised_at, is_logged) = (failure.raised_at(), failure.is_logged());
                let first = FirstError::new(self.index, failure);
                let first = Failure::raised_at_place(first, raised_at);
                if is_logged {
                    // The wrapped failure was logged; the wrapper must not be reported again.
                    first.note_logged();
                }
                let sender = decided.let_go_of_rest(self.index);
                fire(&sender, Err(first))
            }
            Arrived::Late(Err(failure), options, is_cancelled) if !options.is_silent(&failure) => {
                if is_cancelled {
                    failure.note_enclosing_cancel();
                }
                Step::Done(Err(failure))
            }
            Arrived::Late(result, ..) => {
                drop_contained(result);
                Step::Done(Ok(()))
            }
        }
    }
}

impl<M: Flavour, R: Rule> Joint<M, R> {
    fn take_in(&mut self, index: usize, result: Result<R::Value>) -> Arrived<M, R> {
        // `sender` is the flag, too: `None` once the result is decided.
        let Some(sender) = self.sender.take() else {
            return Arrived::Late(result, self.options, self.is_cancelled);
        };
        match self.rule.sort(index, result) {
            Verdict::Keep(kept) => {
                let replaced = std::mem::replace(&mut self.parts[index], PartState::Kept(kept));
                self.missing -= 1;
                if self.missing == 0 {
                    // Drops a weak reference only: no user code runs.
                    drop(replaced);
                    return Arrived::Complete(self.decide(sender));
                }
                self.sender = Some(sender);
                Arrived::Kept(replaced)
            }
            Verdict::Succeed(output) => Arrived::Succeeded(self.decide(sender), output),
            Verdict::Fail(failure) => Arrived::Failed(self.decide(sender), failure),
        }
    }

    /// Notes the cancel; gives the parts without a result, in order.
    fn cancel(&mut self) -> Vec<CoreWeak<M>> {
        self.is_cancelled = true;
        // Weak references, collected: a cancel runs code of the user, which must not run while
        // this is locked.
        let due = self.parts.iter().filter_map(|part| match part {
            PartState::Due(part) => part.clone(),
            PartState::Kept(_) => None,
        });
        due.collect()
    }

    fn decide(&mut self, sender: Sender<M, R::Output>) -> Decided<M, R> {
        Decided {
            sender,
            parts: std::mem::take(&mut self.parts),
            options: self.options,
        }
    }
}

/// If the result is never decided, kept results are dropped one by one, with panics contained.
impl<M: Flavour, R: Rule> Drop for Joint<M, R> {
    fn drop(&mut self) {
        drop_each_contained(std::mem::take(&mut self.parts));
    }
}

impl<M: Flavour, R: Rule> Decided<M, R> {
    /// Cancels the other parts without a result if the options say so, and reports the failures
    /// that were kept. `index` is the part whose stage runs.
    fn let_go_of_rest(self, index: usize) -> Sender<M, R::Output>
    where
        (): Fits<M>,
    {
        let options = self.options;
        if options.cancels_rest {
            for (at, part) in self.parts.iter().enumerate() {
                if let PartState::Due(Some(part)) = part
                    // The part of this stage is running; a cancel would do nothing.
                    && at != index
                {
                    cancel_part::<M>(part, options.made_at);
                }
            }
        }
        for kept in self.parts.into_iter().filter_map(PartState::into_kept) {
            // Dropping a kept value runs code of the user: a panic must not keep the others from
            // being dropped, nor the combined Deferred from being fired.
            run_contained("a drop", || {
                if let Some(failure) = R::into_failure(kept)
                    && !options.is_silent(&failure)
                {
                    Receiver::<M, ()>::Ready(Err(failure)).let_go(ReceiverState::Detached);
                }
            });
        }
        self.sender
    }
}

impl<M: Flavour, R: Rule> PartState<M, R> {
    fn into_kept(self) -> Option<R::Kept> {
        match self {
            Self::Due(_) => None,
            Self::Kept(kept) => Some(kept),
        }
    }
}

impl Options {
    /// Whether a failure that is not part of the result is dropped without a report.
    fn is_silent(&self, failure: &Failure) -> bool {
        self.consumes_errors || (self.cancels_rest && failure.is::<Cancelled>())
    }
}

/// Fires the combined Deferred; its callbacks run when the part's stage has returned.
fn fire<M, U>(sender: &Sender<M, U>, result: Result<U>) -> Step<M, ()>
where
    M: Flavour,
    U: Fits<M>,
{
    match sender.fire_unrun(result) {
        Ok(Some(combined)) => Step::Run(combined, ()),
        Ok(None) => Step::Done(Ok(())),
        Err(late) => {
            // The combination was cancelled while a part was paused, so it has a result already.
            drop_contained(late);
            Step::Done(Ok(()))
        }
    }
}

fn cancel_part<M: Flavour>(part: &CoreWeak<M>, cancelled_at: CallSite) {
    // A part whose chain is gone has nothing left to cancel.
    if let Some(core) = part.upgrade() {
        cancel_core::<M>(&core, cancelled_at);
    }
}
