//! `Deferred::start`: work that can be stopped, where stopping needs what was started.

use std::panic::Location;

use super::deferred::Deferred;
use super::trigger::Trigger;
use crate::chain::{Canceller, Local, Sender, Storage};
use crate::failure::Failure;
use crate::panics::drop_contained;

impl<T: 'static> Deferred<T> {
    /// Starts work that fires the Deferred, and says how to stop it.
    ///
    /// `begin` is called at once with the trigger. It gives the canceller, which
    /// [`cancel`](Self::cancel) calls at most once, if the Deferred is not fired by then;
    /// afterwards the Deferred fails with [`Cancelled`](crate::Cancelled). So the
    /// canceller can own what was started, where that of
    /// [`with_canceller`](Self::with_canceller) is made before.
    ///
    /// A panic in `begin` fails the Deferred with [`Panicked`](crate::Panicked).
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Cancelled, Deferred, VirtualClock};
    /// use std::time::Duration;
    ///
    /// let clock = VirtualClock::new();
    /// let ring = Deferred::start(|trigger| {
    ///     let call = clock.call_later(Duration::from_secs(60), move || {
    ///         trigger.callback("ring").expect("nothing else fires it");
    ///     });
    ///     move || call.cancel().expect("it has not rung")
    /// });
    /// ring.cancel();
    /// clock.advance(Duration::from_secs(60)); // silence: the call was cancelled, too
    /// assert!(ring.into_result().unwrap().unwrap_err().is::<Cancelled>());
    /// ```
    #[track_caller]
    pub fn start<F, C>(begin: F) -> Self
    where
        F: FnOnce(Trigger<T>) -> C,
        C: FnOnce() + 'static,
    {
        let (sender, receiver) = Sender::pair(Location::caller());
        let trigger = Trigger::new(sender.clone());
        match Failure::catch(|| begin(trigger)) {
            // It can never be needed; a chain keeps its canceller until it is fired.
            Ok(stop) if sender.is_fired() => drop_contained(stop),
            Ok(stop) => {
                let canceller: <Local as Storage>::Canceller = Box::new(|_core| stop());
                sender.set_canceller(Canceller::Call(canceller));
            }
            // Errs if it was fired before the panic: then that is the result.
            Err(panicked) => drop(sender.fire(Err(panicked))),
        }
        Self::from_receiver(receiver)
    }
}
