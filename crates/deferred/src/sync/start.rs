// Generated from ../local/start.rs by tests/flavours: change that file, not this one.

//! `Deferred::start`: cancellable work, where the canceller needs the work.

use std::panic::Location;

use super::deferred::Deferred;
use super::trigger::Trigger;
use crate::chain::Shared;
use crate::chain::{Canceller, Sender, Storage};
use crate::failure::Failure;
use crate::panics::drop_contained;

impl<T: Send + 'static> Deferred<T> {
    /// Starts work that fires the Deferred, and keeps the function that stops it.
    ///
    /// `begin` is called at once, with the trigger. It returns the canceller, which
    /// [`cancel`](Self::cancel) calls at most once, if the Deferred has not been fired by
    /// then; after that, the Deferred fails with [`Cancelled`](crate::Cancelled). So the
    /// canceller can own the work, which does not exist yet when
    /// [`with_canceller`](Self::with_canceller) takes its canceller.
    ///
    /// A panic in `begin` fails the Deferred with [`Panicked`](crate::Panicked).
    #[track_caller]
    #[doc(alias = "new")]
    pub fn start<F, C, R>(begin: F) -> Self
    where
        F: FnOnce(Trigger<T>) -> C,
        C: FnOnce() -> R + Send + 'static,
    {
        let (sender, receiver) = Sender::pair(Location::caller());
        // A second sender: `begin` may drop the trigger, and the canceller is set after it.
        let trigger = Trigger::new(sender.clone());
        match Failure::catch(|| begin(trigger)) {
            // A canceller of a fired chain is never called, but kept as long as the chain.
            Ok(stop) if sender.is_fired() => drop_contained(stop),
            Ok(stop) => {
                let canceller: <Shared as Storage>::Canceller = Box::new(|_core| drop(stop()));
                sender.set_canceller(Canceller::Call(canceller));
            }
            // Errs if `begin` fired the Deferred before it panicked: that result stays.
            Err(panicked) => drop(sender.fire(Err(panicked))),
        }
        Self::from_receiver(receiver)
    }
}
