//! `Timeout`: limits how long a handler may take.

use std::time::Duration;

use deferred::Cancelled;
use deferred::{Deferred, Failure};
use http::{HeaderValue, StatusCode, Version, header};

use crate::app::{Middleware, Next};
use crate::error::HttpError;
use crate::request::Request;
use crate::response::{Answer, Response};

/// Limits how long a handler may take until its answer begins. After that time, what the handler
/// waits for is cancelled, and the answer is:
///
/// - **408** if the handler waits for the body of the request: the client is slow. The connection
///   is closed after it.
/// - **504** otherwise: a service that the handler uses, or the handler itself, is slow.
///
/// It does not limit the body of an answer: for a client that does not read that, there is
/// [`Limits::write_timeout`](crate::Limits).
///
/// # Examples
///
/// ```
/// use reactor_web::middleware::Timeout;
/// use reactor_web::{App, Request, testing::TestClient};
/// use std::time::Duration;
///
/// let app = App::new()
///     .get("/slow", async |req: Request| {
///         deferred::sleep(req.reactor(), Duration::from_secs(60)).await?;
///         Ok("too late")
///     })
///     .wrap(Timeout::after(Duration::from_secs(5)));
/// let client = TestClient::new(app)?;
/// let slow = client.start_get("/slow");
/// client.advance(Duration::from_secs(5));
/// assert_eq!(slow.answer().status(), 504);
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[doc(alias = "TimeoutLayer")]
pub struct Timeout(Duration);

impl Timeout {
    /// Limits handlers to `time`.
    pub fn after(time: Duration) -> Self {
        Self(time)
    }
}

impl Middleware for Timeout {
    fn handle(&self, mut request: Request, next: Next) -> Answer {
        let reactor = request.reactor().clone();
        // Called before the handler takes the request and its body.
        let awaits_body = request.watch_body();
        // The rest of the body is not waited for, so HTTP/1 has to end with the answer. HTTP/2 ends
        // the stream.
        let closes = request.version() <= Version::HTTP_11;
        let answer = next.run(request);
        // The answer is there already, and needs no timer.
        if answer.is_now() {
            return answer;
        }
        let mut pending: Deferred<Response> = answer.into();
        let handle = pending.handle();
        // The client that goes cancels `timed`, which has to reach the handler.
        let (trigger, timed) = Deferred::with_canceller({
            let handle = handle.clone();
            move |_| handle.cancel()
        });
        let timer = reactor.call_later(self.0, {
            let trigger = trigger.clone();
            move || {
                // Read before the cancel, which drops the body.
                let error = match awaits_body.get() {
                    true => slow_client(closes),
                    false => HttpError::new(StatusCode::GATEWAY_TIMEOUT),
                };
                // Errs if the client is gone. Fired before the cancel, because a handler may
                // survive that, such as one that tries again after each failure.
                let _ = trigger.errback(error);
                handle.cancel();
            }
        });
        pending
            .add_both(move |result| {
                timer.cancel();
                match result {
                    Err(failure) if trigger.is_fired() && failure.is::<Cancelled>() => {}
                    Err(failure) if trigger.is_fired() => log(failure),
                    // Errs if the timeout has fired: then there is an answer already.
                    result => drop(trigger.fire(result)),
                }
            })
            .ignore();
        Answer::later(timed)
    }
}

fn slow_client(closes: bool) -> HttpError {
    let error = HttpError::new(StatusCode::REQUEST_TIMEOUT);
    if closes {
        error.with_header(header::CONNECTION, HeaderValue::from_static("close"))
    } else {
        error
    }
}

/// Writes a failure of the handler that comes after the timeout to the log.
fn log(failure: Failure) {
    let failure = failure.context("a handler, after its timeout");
    deferred::fail::<()>(failure).log_error().ignore();
}
