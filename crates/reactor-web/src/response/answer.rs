//! `Answer`: an answer, now or later; and `Reply`, the trait of what a handler returns.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll};

use deferred::{CancelOnDrop, Deferred, Failure, Result, inline_callbacks};
use tracing::{Instrument, Span};

use super::{IntoResponse, Response};

/// The answer of a handler: a response or a failure, now or later.
///
/// # Examples
///
/// ```
/// use reactor_web::{Answer, App, Handler, Request, testing::TestClient};
/// use std::cell::Cell;
///
/// /// Counts its requests.
/// struct Counter(Cell<u32>);
///
/// impl Handler for Counter {
///     fn handle(&self, _request: Request) -> Answer {
///         self.0.set(self.0.get() + 1);
///         Answer::now(format!("request {}", self.0.get()))
///     }
/// }
///
/// let client = TestClient::new(App::new().mount("/count", Counter(Cell::new(0))))?;
/// assert_eq!(client.get("/count").text(), "request 1");
/// assert_eq!(client.get("/count").text(), "request 2");
/// # Ok::<(), deferred::Failure>(())
/// ```
#[must_use = "it is what the client waits for"]
pub struct Answer(Kind);

enum Kind {
    /// `None` after `poll` has taken the result.
    // An `Option`, since `poll` has only `&mut self`.
    Now(Option<Result<Response>>),
    // If the client goes, the answer is dropped, and this cancels the handler.
    Later(CancelOnDrop<Response>),
}

impl Answer {
    /// An answer that is there already.
    pub fn now(value: impl IntoResponse) -> Self {
        Self::ready(value.into_response())
    }

    /// An answer that is a failure.
    pub(crate) fn failed(failure: impl Into<Failure>) -> Self {
        Self::ready(Err(failure.into()))
    }

    fn ready(result: Result<Response>) -> Self {
        Self(Kind::Now(Some(result)))
    }

    /// An answer that comes with the Deferred, which is cancelled if the client goes before.
    pub fn later<T: IntoResponse + 'static>(deferred: Deferred<T>) -> Self {
        let response = deferred.add_callback(IntoResponse::into_response);
        Self(Kind::Later(response.cancel_on_drop()))
    }

    /// An answer that comes with the future; the Deferreds that it awaits are cancelled if the
    /// client goes before.
    #[track_caller]
    pub fn from_future<F>(future: F) -> Self
    where
        F: Future<Output: IntoResponse> + 'static,
    {
        let future = async { future.await.into_response() };
        // The span of the request, if there is one: the handler is called in it.
        let span = Span::current();
        let response = if span.is_none() {
            inline_callbacks(future)
        } else {
            inline_callbacks(future.instrument(span))
        };
        // A future that was ready at once becomes a `Kind::Now`, so that no Deferred has to be
        // polled.
        match response.into_result() {
            Ok(result) => Self::ready(result),
            Err(pending) => Self(Kind::Later(pending.cancel_on_drop())),
        }
    }

    /// The answer that `f` returns for the value of `deferred`: at once if the value is there.
    pub(crate) fn after<T: 'static>(
        deferred: Deferred<T>,
        f: impl FnOnce(T) -> Self + 'static,
    ) -> Self {
        match deferred.into_result() {
            Ok(Ok(value)) => f(value),
            Ok(Err(failure)) => Self::failed(failure),
            Err(pending) => {
                Self::later(pending.add_callback(|value| Deferred::<Response>::from(f(value))))
            }
        }
    }

    /// This answer, changed by `f`, which gets the response or the failure: for middleware that
    /// sees answers.
    pub fn map<F>(self, f: F) -> Self
    where
        F: FnOnce(Result<Response>) -> Result<Response> + 'static,
    {
        Self(match self.0 {
            Kind::Now(result) => Kind::Now(result.map(f)),
            Kind::Later(later) => Kind::Later(later.into_inner().add_both(f).cancel_on_drop()),
        })
    }

    /// This answer after a call of `f`, which may change the response. A failure stays as it is.
    ///
    /// # Examples
    ///
    /// ```
    /// use http::StatusCode;
    /// use reactor_web::{Answer, Response};
    ///
    /// let answer = Answer::now("made").map_response(|response| {
    ///     *response.status_mut() = StatusCode::CREATED;
    /// });
    /// let response: deferred::Deferred<Response> = answer.into();
    /// assert_eq!(response.into_result().unwrap()?.status(), 201);
    /// # Ok::<(), deferred::Failure>(())
    /// ```
    pub fn map_response(self, f: impl FnOnce(&mut Response) + 'static) -> Self {
        self.map(|result| {
            let mut response = result?;
            f(&mut response);
            Ok(response)
        })
    }

    /// Whether the answer was there at once.
    pub(crate) fn is_now(&self) -> bool {
        matches!(self.0, Kind::Now(_))
    }

    /// Polls for the response. Must not be called again once it has returned the response.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response>> {
        match &mut self.0 {
            Kind::Later(later) => Pin::new(later).poll(cx),
            Kind::Now(result) => Poll::Ready(present(result.take())),
        }
    }
}

/// The result of [`Kind::Now`]. The failure for `None` is made only if it is needed.
fn present(result: Option<Result<Response>>) -> Result<Response> {
    result.unwrap_or_else(|| Err(Failure::msg("the answer was taken")))
}

/// The response or the failure, to be awaited or given to callbacks.
impl From<Answer> for Deferred<Response> {
    fn from(answer: Answer) -> Self {
        match answer.0 {
            Kind::Now(result) => present(result).into(),
            Kind::Later(later) => later.into_inner(),
        }
    }
}

impl IntoFuture for Answer {
    type Output = Result<Response>;
    type IntoFuture = Deferred<Response>;

    fn into_future(self) -> Deferred<Response> {
        self.into()
    }
}

/// What a handler returns: any value that is [`IntoResponse`], a future of one (a
/// [`Deferred`] is a future, and so is what an `async` closure returns), or an [`Answer`]; or a
/// `Result` of a future or an answer, so that a closure may use `?` before it has one.
///
/// `M` is inferred; it keeps these implementations apart.
///
/// # Examples
///
/// ```
/// use deferred::defer_later;
/// use reactor_web::{App, testing::TestClient};
/// use std::time::Duration;
///
/// let app = App::new()
///     .get("/value", |_| "now")
///     .get("/result", |req| Ok(req.param("name").unwrap_or("none").to_owned()))
///     .get("/deferred", |req| defer_later(req.reactor(), Duration::ZERO, || Ok("later")))
///     .get("/fallible", |req| {
///         let delay = req.query_value("delay")?.unwrap_or(0);
///         Ok(defer_later(req.reactor(), Duration::from_secs(delay), || Ok("in time")))
///     })
///     .get("/future", |_| async { "in an async block" });
/// let client = TestClient::new(app)?;
/// for (path, text) in [
///     ("/value", "now"),
///     ("/result", "none"),
///     ("/deferred", "later"),
///     ("/fallible", "in time"),
///     ("/future", "in an async block"),
/// ] {
///     assert_eq!(client.get(path).text(), text);
/// }
/// # Ok::<(), deferred::Failure>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "a handler cannot answer with `{Self}`",
    label = "neither a value that is an answer nor a future of one",
    note = "return text, bytes, `Html`, `Json`, a status, a `Response`, a `deferred::Result` of one of them, or a Deferred or future of that",
    note = "the error type of a `Result` is `deferred::Failure`: `?` converts any other"
)]
pub trait Reply<M> {
    /// The answer.
    fn into_answer(self) -> Answer;
}

/// Marks the [`Reply`] of a value. Inferred.
#[derive(Debug)]
#[doc(hidden)]
pub struct ByValue;

/// Marks the [`Reply`] of a future. Inferred.
#[derive(Debug)]
#[doc(hidden)]
pub struct ByFuture;

/// Marks the [`Reply`] of an [`Answer`]. Inferred.
#[derive(Debug)]
#[doc(hidden)]
pub struct ByAnswer;

/// Marks the [`Reply`] of a `Result` of a future. Inferred.
#[derive(Debug)]
#[doc(hidden)]
pub struct ByFallibleFuture;

/// Marks the [`Reply`] of a `Result` of an [`Answer`]. Inferred.
#[derive(Debug)]
#[doc(hidden)]
pub struct ByFallibleAnswer;

impl<T: IntoResponse> Reply<ByValue> for T {
    fn into_answer(self) -> Answer {
        Answer::now(self)
    }
}

impl<F> Reply<ByFuture> for F
where
    F: Future<Output: IntoResponse> + 'static,
{
    #[track_caller]
    fn into_answer(self) -> Answer {
        Answer::from_future(self)
    }
}

impl Reply<ByAnswer> for Answer {
    fn into_answer(self) -> Answer {
        self
    }
}

impl<F> Reply<ByFallibleFuture> for Result<F>
where
    F: Future<Output: IntoResponse> + 'static,
{
    #[track_caller]
    fn into_answer(self) -> Answer {
        match self {
            Ok(future) => Answer::from_future(future),
            Err(failure) => Answer::failed(failure),
        }
    }
}

impl Reply<ByFallibleAnswer> for Result<Answer> {
    fn into_answer(self) -> Answer {
        self.unwrap_or_else(Answer::failed)
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Now(Some(result)) => f.debug_tuple("Now").field(result).finish(),
            Kind::Now(None) => f.write_str("Taken"),
            Kind::Later(_) => f.debug_tuple("Later").finish_non_exhaustive(),
        }
    }
}
