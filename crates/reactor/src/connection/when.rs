//! What a handler waits for: Deferreds and times, with closures that get the protocol
//! back.

use std::time::Duration;

use deferred::{Cancelled, Deferred, DelayedCall, Failure, Result};

use super::context::Context;
use super::protocol::{Handled, Protocol};
use super::source::Job;
use crate::cancel_on_close::Cancellable;

impl<P: Protocol> Context<'_, P> {
    /// Calls `f` with the protocol when `deferred` has its result.
    ///
    /// It is called from the loop, after the handler that is running then. If
    /// the connection is over before that, it is not called, `deferred` is left
    /// alone, and a failure is reported as unhandled.
    ///
    /// # Examples
    ///
    /// ```
    /// # use deferred::Deferred;
    /// # use reactor::{Context, Lines, Protocol};
    /// # fn look_up(_name: String) -> Deferred<String> { deferred::succeed(String::new()) }
    /// struct Finger;
    ///
    /// impl Protocol for Finger {
    ///     type Framing = Lines;
    ///
    ///     fn received(&mut self, cx: &mut Context<'_, Self>, name: &[u8]) -> deferred::Result<()> {
    ///         let name = String::from_utf8(name.to_vec())?;
    ///         cx.when(look_up(name), |_this, cx, found| {
    ///             cx.write(found.unwrap_or_else(|failure| format!("sorry: {failure}")));
    ///             cx.lose_connection();
    ///         });
    ///         Ok(())
    ///     }
    /// }
    /// ```
    pub fn when<T, F, H>(&mut self, deferred: Deferred<T>, f: F)
    where
        T: 'static,
        F: FnOnce(&mut P, &mut Context<'_, P>, Result<T>) -> H + 'static,
        H: Handled,
    {
        self.wait_for(deferred, f, |_failure| false);
    }

    /// As `when`; a failure that comes when the connection is over is not reported
    /// if it `is_expected`.
    fn wait_for<T, F, H>(
        &mut self,
        deferred: Deferred<T>,
        f: F,
        is_expected: impl FnOnce(&Failure) -> bool + 'static,
    ) where
        T: 'static,
        F: FnOnce(&mut P, &mut Context<'_, P>, Result<T>) -> H + 'static,
        H: Handled,
    {
        let (source, cause) = (self.source.weak(), self.source.cause());
        deferred
            .add_both(move |outcome| {
                let source = source.upgrade();
                let is_closed = source.as_ref().is_none_or(|s| s.transport().is_closed());
                let is_expected = outcome.as_ref().err().is_some_and(is_expected);
                // As a Deferred, it is reported if the job is dropped.
                let outcome = Deferred::from(outcome);
                if is_closed && is_expected {
                    outcome.ignore();
                    return deferred::succeed(());
                }
                let Some(source) = source else {
                    return outcome.add_callback(drop);
                };
                let job: Job<P> = Box::new(move |protocol, cx| {
                    let Ok(outcome) = outcome.into_result() else {
                        unreachable!("it was made with its result");
                    };
                    f(protocol, cx, outcome).into_result()
                });
                let posted = source.post(job, cause);
                // If the connection is over, dropping the job reports it.
                drop(posted);
                deferred::succeed(())
            })
            .detach();
    }

    /// As [`when`](Self::when), and cancels `deferred` if the connection is over
    /// first.
    ///
    /// # Examples
    ///
    /// ```
    /// # use deferred::Deferred;
    /// # use reactor::{Context, Lines, Protocol};
    /// # struct Server;
    /// # fn query(_: &[u8]) -> Deferred<String> { deferred::succeed(String::new()) }
    /// # impl Protocol for Server {
    /// #     type Framing = Lines;
    /// fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> deferred::Result<()> {
    ///     // Nobody is left to hear the answer when the connection is gone.
    ///     cx.when_or_cancel(query(line), |_this, cx, answer| {
    ///         cx.send_line(answer?);
    ///         Ok(())
    ///     });
    ///     Ok(())
    /// }
    /// # }
    /// ```
    pub fn when_or_cancel<T, F, H>(&mut self, mut deferred: Deferred<T>, f: F)
    where
        T: 'static,
        F: FnOnce(&mut P, &mut Context<'_, P>, Result<T>) -> H + 'static,
        H: Handled,
    {
        let handle = deferred.handle();
        self.wait_for(deferred, f, |failure| failure.is::<Cancelled>());
        self.source.cancel_on_close(Cancellable::Wait(handle));
    }

    /// Calls `f` with the protocol, `delay` from now. It is cancelled if the
    /// connection is over first.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Context, Lines, Protocol};
    /// # use std::time::Duration;
    /// # struct Impatient;
    /// # impl Protocol for Impatient {
    /// #     type Framing = Lines;
    /// fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
    ///     cx.call_later(Duration::from_secs(30), |_this, cx| cx.abort());
    ///     Ok(())
    /// }
    /// #     fn received(&mut self, _: &mut Context<'_, Self>, _: &[u8]) -> deferred::Result<()> { Ok(()) }
    /// # }
    /// ```
    pub fn call_later<F, H>(&mut self, delay: Duration, f: F) -> DelayedCall
    where
        F: FnOnce(&mut P, &mut Context<'_, P>) -> H + 'static,
        H: Handled,
    {
        let (source, cause) = (self.source.weak(), self.source.cause());
        let call = self.source.reactor().call_later(delay, move || {
            if let Some(source) = source.upgrade() {
                let job: Job<P> = Box::new(move |this, cx| f(this, cx).into_result());
                // `Err` hands the job back if the connection is over: it is dropped.
                drop(source.post(job, cause));
            }
        });
        self.source.cancel_on_close(Cancellable::Call(call.clone()));
        call
    }
}
