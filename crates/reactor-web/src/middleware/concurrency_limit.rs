//! `ConcurrencyLimit`: limits how many requests are answered at once.

use std::cell::Cell;
use std::rc::Rc;

use deferred::DeferredSemaphore;
use http::{HeaderValue, StatusCode, header};

use crate::app::{Middleware, Next};
use crate::error::HttpError;
use crate::request::Request;
use crate::response::Answer;

/// Bounds how many handlers run at once, and how many requests wait for their turn. Any more are
/// answered with 503 and `Retry-After: 1`.
///
/// A handler runs until its answer begins. Requests that wait get their turn in order; one whose
/// client goes leaves the queue.
///
/// # Examples
///
/// ```
/// use reactor_web::middleware::ConcurrencyLimit;
/// use reactor_web::{App, Request, testing::TestClient};
/// use std::time::Duration;
///
/// let app = App::new()
///     .get("/report", async |req: Request| {
///         deferred::sleep(req.reactor(), Duration::from_secs(1)).await?;
///         Ok("a report")
///     })
///     .wrap(ConcurrencyLimit::new(1).queue(1));
/// let client = TestClient::new(app)?;
/// let (first, second) = (client.start_get("/report"), client.start_get("/report"));
/// assert_eq!(client.get("/report").status(), 503);
/// client.advance(Duration::from_secs(2));
/// assert_eq!(first.answer().text(), "a report");
/// assert_eq!(second.answer().text(), "a report");
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Debug)]
#[doc(alias = "ConcurrencyLimitLayer", alias = "LoadShed")]
pub struct ConcurrencyLimit {
    semaphore: DeferredSemaphore,
    queue: usize,
    waiting: Rc<Cell<usize>>,
}

impl ConcurrencyLimit {
    /// Lets at most this number of handlers run at once; no request waits. 0 counts as 1.
    pub fn new(at_once: usize) -> Self {
        let Ok(semaphore) = DeferredSemaphore::new(at_once.max(1)) else {
            unreachable!("it has a token at least")
        };
        Self {
            semaphore,
            queue: 0,
            waiting: Rc::default(),
        }
    }

    /// Lets at most this number of requests wait for their turn.
    #[must_use]
    pub fn queue(mut self, waiting: usize) -> Self {
        self.queue = waiting;
        self
    }
}

/// Counts a request that waits, until this is dropped.
struct Waiting(Rc<Cell<usize>>);

impl Waiting {
    fn begin(count: &Rc<Cell<usize>>) -> Self {
        count.set(count.get() + 1);
        Self(Rc::clone(count))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Middleware for ConcurrencyLimit {
    fn handle(&self, request: Request, next: Next) -> Answer {
        // A request that gets a permit at once does not wait, though `Waiting` counts it until the
        // closure runs.
        if self.semaphore.tokens() == 0 && self.waiting.get() >= self.queue {
            let error = HttpError::new(StatusCode::SERVICE_UNAVAILABLE);
            let second = HeaderValue::from_static("1");
            return Answer::now(error.with_header(header::RETRY_AFTER, second));
        }
        // Dropped with the closure if the client goes before.
        let waiting = Waiting::begin(&self.waiting);
        Answer::after(self.semaphore.acquire(), move |permit| {
            drop(waiting);
            next.run(request).map(move |result| {
                // The permit is free again when the answer begins, or its handler is cancelled.
                drop(permit);
                result
            })
        })
    }
}
