//! `PendingAnswer`: an answer that may not be there yet.

use std::fmt;

use deferred::{Deferred, Result};
use reactor::testing::TestReactor;

use super::answer::TestAnswer;
use super::exchange::Started;

/// An answer that may not be there yet. Dropping it ends the connection.
///
/// # Examples
///
/// A client that goes:
///
/// ```
/// use deferred::{Deferred, Trigger};
/// use reactor_web::{App, testing::TestClient};
/// use std::{cell::RefCell, rc::Rc};
///
/// let waiting: Rc<RefCell<Option<Trigger<String>>>> = Rc::default();
/// let slot = Rc::clone(&waiting);
/// let app = App::new().get("/news", move |_| {
///     let (trigger, news) = Deferred::pair();
///     *slot.borrow_mut() = Some(trigger);
///     news
/// });
/// let client = TestClient::new(app)?;
/// let pending = client.start_get("/news");
/// drop(pending);
/// let trigger = waiting.take().unwrap();
/// assert!(trigger.is_fired(), "the handler's Deferred was cancelled");
/// # Ok::<(), deferred::Failure>(())
/// ```
pub struct PendingAnswer<'a> {
    reactor: &'a TestReactor,
    /// `None` once the answer was taken.
    started: Option<Started>,
}

impl<'a> PendingAnswer<'a> {
    pub(super) fn new(reactor: &'a TestReactor, started: Started) -> Self {
        let started = Some(started);
        Self { reactor, started }
    }

    /// Whether the answer has not come completely.
    #[track_caller]
    pub fn is_pending(&self) -> bool {
        self.reactor.settle();
        let state = self.started.as_ref().map(|started| started.answer.state());
        state.is_some_and(|state| state != deferred::State::Done)
    }

    /// The answer.
    ///
    /// # Panics
    ///
    /// If there is none once everything has happened that is due at the current time of the clock,
    /// or the connection fails.
    #[track_caller]
    pub fn answer(self) -> TestAnswer {
        match self.result() {
            Ok(answer) => answer,
            Err(failure) => panic!("there is no answer: {failure:?}"),
        }
    }

    /// The answer, or why there is none.
    ///
    /// # Errors
    ///
    /// The connection has failed before the answer was complete.
    ///
    /// # Panics
    ///
    /// If there is no result once everything has happened that is due at the current time of the
    /// clock.
    #[track_caller]
    pub fn result(mut self) -> Result<TestAnswer> {
        let Some(Started { answer, connection }) = self.started.take() else {
            unreachable!("this takes it, once")
        };
        connection.ignore();
        self.reactor.result_of(answer)
    }
}

impl Drop for PendingAnswer<'_> {
    fn drop(&mut self) {
        let Some(Started { answer, connection }) = self.started.take() else {
            return;
        };
        answer.ignore();
        abort(connection.add_callback(|connection| connection.abort()));
        if !std::thread::panicking() {
            self.reactor.settle();
        }
    }
}

/// Lets the connection end, whether it was made or not.
fn abort(ending: Deferred<()>) {
    ending.cancel();
    ending.ignore();
}

impl fmt::Debug for PendingAnswer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answer = self.started.as_ref().map(|started| &started.answer);
        f.debug_struct("PendingAnswer")
            .field("answer", &answer)
            .finish_non_exhaustive()
    }
}
