//! `Remote`: handle on a reactor for other threads.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use deferred::{Outcome, fail, maybe_deferred, succeed};

use crate::blocking_calls::BlockingCalls;
use crate::core::Core;
use crate::error::{BlockingCallError, ReactorGone};
use crate::handle::ReactorHandle;
use crate::inbox::Inbox;
use crate::panics::log_failure;

/// A handle on a reactor for other threads; the other handles are bound to the thread of the loop.
///
/// Cheap to clone, and does not keep the reactor alive. Made by [`ReactorHandle::remote`].
///
/// # Examples
///
/// ```
/// use reactor::Reactor;
/// use std::thread;
///
/// let reactor = Reactor::new().unwrap();
/// let remote = reactor.remote();
/// let worker = thread::spawn(move || {
///     let answer = 6 * 7;
///     remote.call_from_thread(move |reactor| {
///         println!("the answer is {answer}");
///         reactor.stop();
///     })
/// });
/// reactor.run().unwrap();
/// worker.join().unwrap().unwrap();
/// ```
#[derive(Clone)]
#[doc(alias = "Handle")]
pub struct Remote {
    inbox: Arc<Inbox<Rc<Core>>>,
    blocking_calls: Arc<BlockingCalls>,
}

impl ReactorHandle {
    /// A handle for other threads.
    #[doc(alias = "spawn_handle")]
    pub fn remote(&self) -> Remote {
        Remote {
            inbox: Arc::clone(&self.shared.inbox),
            blocking_calls: Arc::clone(&self.shared.blocking_calls),
        }
    }
}

impl Remote {
    /// Calls `call` in the thread of the loop, in the loop's next turn, with a handle on the
    /// reactor. Calls from one thread are made in the order in which they were posted. If the loop
    /// waits, it is woken. (Twisted: `callFromThread`.)
    ///
    /// `call` returns what a callback returns: nothing, a `Result`, or a Deferred. Its failure
    /// is logged, as is a panic.
    ///
    /// # Errors
    ///
    /// [`ReactorGone`] if the reactor was dropped. Then `call` is dropped.
    #[doc(alias = "callFromThread")]
    pub fn call_from_thread<F, O>(&self, call: F) -> Result<(), ReactorGone>
    where
        F: FnOnce(&ReactorHandle) -> O + Send + 'static,
        O: Outcome<Value = ()>,
    {
        self.inbox
            .post(move |core| log_failure(call(&ReactorHandle::new(core))))
    }

    /// Calls `call` in the thread of the loop, as [`call_from_thread`] does, and waits for its
    /// result. `call` returns nothing, a `Result`, or a Deferred, whose result is waited for.
    ///
    /// A thread does not wait for ever: when the loop is stopped, crashes or is dropped, this
    /// returns an error. If the call was not made by then, it is dropped; a Deferred that it has
    /// returned is not cancelled. If the loop has not run yet, this waits; if the loop was stopped,
    /// this fails at once, until the loop runs again.
    ///
    /// [`call_from_thread`]: Self::call_from_thread
    ///
    /// # Errors
    ///
    /// If `call` has failed or panicked, the reactor is gone or was stopped, or this is the
    /// reactor's own thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::defer_later;
    /// use reactor::Reactor;
    /// use std::thread;
    /// use std::time::Duration;
    ///
    /// let reactor = Reactor::new().unwrap();
    /// let remote = reactor.remote();
    /// let worker = thread::spawn(move || {
    ///     let answer = remote.blocking_call_from_thread(|reactor| {
    ///         defer_later(reactor, Duration::from_millis(5), || Ok(6 * 7))
    ///     });
    ///     remote.call_from_thread(|reactor| reactor.stop()).unwrap();
    ///     answer
    /// });
    /// reactor.run().unwrap();
    /// assert_eq!(worker.join().unwrap().unwrap(), 42);
    /// ```
    #[doc(alias = "blockingCallFromThread")]
    pub fn blocking_call_from_thread<F, O>(&self, call: F) -> Result<O::Value, BlockingCallError>
    where
        F: FnOnce(&ReactorHandle) -> O + Send + 'static,
        O: Outcome,
        O::Value: Send,
    {
        self.blocking_calls.wait(|answer| {
            // If the reactor is gone, the closure is dropped, and the drop of `answer` sends an
            // error.
            let _ = self.call_from_thread(move |reactor| {
                if !answer.is_awaited() {
                    return;
                }
                maybe_deferred(|| call(reactor))
                    .add_both(move |result| match answer.give(result) {
                        // The thread no longer waits. A failure is reported as unhandled, and a
                        // value is dropped.
                        Err(Err(unheard)) => fail(unheard),
                        Ok(()) | Err(Ok(_)) => succeed(()),
                    })
                    .detach();
            });
        })
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").finish_non_exhaustive()
    }
}
