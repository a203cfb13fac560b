//! `spawn`: async bodies that a loop goes on with.

use std::future::Future;

use deferred::{Deferred, Failure, Result, fail, inline_callbacks};

use crate::handle::ReactorHandle;

impl ReactorHandle {
    /// Runs an async body in the loop, and gives its result as a Deferred.
    ///
    /// It is [`inline_callbacks`], for which this loop sees to it that the body goes
    /// on when something wakes it: a Deferred, or any other waker, of any thread. It
    /// begins at once, before this returns. Cancelling the Deferred cancels what the
    /// body waits for; dropping it does not.
    ///
    /// If the reactor is gone, the body is dropped and the Deferred fails.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::sleep;
    /// use reactor::Reactor;
    /// use std::time::Duration;
    ///
    /// let reactor = Reactor::new()?;
    /// let handle = reactor.handle();
    /// let counting = reactor.spawn(async move {
    ///     for number in 1..=3 {
    ///         sleep(&handle, Duration::from_millis(1)).await?;
    ///         println!("{number}");
    ///     }
    ///     Ok("done")
    /// });
    /// assert_eq!(reactor.block_on(counting).unwrap(), "done");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    #[doc(alias = "ensureDeferred")]
    #[doc(alias = "spawn_local")]
    #[doc(alias = "coroutine")]
    pub fn spawn<T, F>(&self, body: F) -> Deferred<T>
    where
        T: 'static,
        F: Future<Output = Result<T>> + 'static,
    {
        match self.core_for(body) {
            Ok((core, body)) => {
                core.listen_for_tasks();
                inline_callbacks(body)
            }
            Err(gone) => fail(Failure::new(gone)),
        }
    }
}
