//! Middleware: handlers around handlers.

use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;

use crate::handler::{AnyHandler, Erased, call};
use crate::request::Request;
use crate::response::{Answer, Reply};

/// The handler below a middleware, from [`App::wrap`](crate::App::wrap).
///
/// # Examples
///
/// A header for each answer, errors included:
///
/// ```
/// use http::HeaderValue;
/// use reactor_web::{App, Next, Request, testing::TestClient};
///
/// async fn no_cache(req: Request, next: Next) -> deferred::Result<reactor_web::Response> {
///     let mut response = next.run(req).await?;
///     response.headers_mut().insert("cache-control", HeaderValue::from_static("no-store"));
///     Ok(response)
/// }
///
/// let app = App::new().get("/", |_| "hello").wrap(no_cache);
/// let answer = TestClient::new(app)?.get("/");
/// assert_eq!(answer.header("cache-control"), Some("no-store"));
/// # Ok::<(), deferred::Failure>(())
/// ```
pub struct Next {
    handler: AnyHandler,
}

impl Next {
    /// Has the request answered. The answer may be awaited, or changed by [`Answer::map`].
    pub fn run(self, request: Request) -> Answer {
        call(&*self.handler, request)
    }
}

impl fmt::Debug for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next").finish_non_exhaustive()
    }
}

/// A middleware and the handler below it.
pub(super) struct Wrapped<F, M> {
    middleware: F,
    next: AnyHandler,
    marker: PhantomData<M>,
}

impl<F, M> Wrapped<F, M> {
    pub(super) fn new(middleware: F, next: AnyHandler) -> Self {
        let marker = PhantomData;
        Self {
            middleware,
            next,
            marker,
        }
    }
}

impl<F, R, M> Erased for Wrapped<F, M>
where
    F: Fn(Request, Next) -> R,
    R: Reply<M>,
{
    fn handle(&self, request: Request) -> Answer {
        let handler = Rc::clone(&self.next);
        (self.middleware)(request, Next { handler }).into_answer()
    }
}
