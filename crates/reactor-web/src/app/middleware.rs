//! Middleware: handlers around handlers.

use std::fmt;
use std::rc::Rc;

use deferred::Cancelled;
use deferred::{Failure, Result};

use crate::handler::{AnyHandler, ByClosure, Erased, call};
use crate::request::Request;
use crate::response::{Answer, Reply, Response};

/// Runs around a handler: sees requests before it, and answers after it.
///
/// A closure or function is middleware if it takes a [`Request`] and the [`Next`] handler, and
/// returns what [`Reply`] accepts, now or later. The module [`middleware`](crate::middleware) has
/// the middleware that most sites need. [`App::wrap`](crate::App::wrap) puts one around all
/// handlers of an app, and [`App::group`](crate::App::group) around some of its routes.
///
/// `M` is inferred; only the implementation for closures uses it. The types of a closure's
/// arguments have to be written.
///
/// # Examples
///
/// Middleware with state of its own:
///
/// ```
/// use reactor_web::{Answer, App, Middleware, Next, Request, testing::TestClient};
/// use std::{cell::Cell, rc::Rc};
///
/// #[derive(Default)]
/// struct Counter(Cell<u32>);
///
/// impl Middleware for Counter {
///     fn handle(&self, request: Request, next: Next) -> Answer {
///         self.0.set(self.0.get() + 1);
///         next.run(request)
///     }
/// }
///
/// let counter = Rc::new(Counter::default());
/// let app = App::new().get("/", |_| "hello").wrap(Rc::clone(&counter));
/// let client = TestClient::new(app)?;
/// client.get("/");
/// client.get("/nowhere");
/// assert_eq!(counter.0.get(), 2);
/// # Ok::<(), deferred::Failure>(())
/// ```
#[doc(alias = "Layer")]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no middleware",
    label = "does not stand around handlers",
    note = "middleware is a closure `|req: Request, next: Next| ..` that returns what `Reply` takes, or a type that implements `Middleware`"
)]
pub trait Middleware<M = ()>: 'static {
    /// Answers `request`, by `next` or without it. If the client goes, the answer is dropped, which
    /// cancels what it waits for.
    fn handle(&self, request: Request, next: Next) -> Answer;

    /// Called before the app is served, once for each place where the middleware was added. Does
    /// nothing by default.
    ///
    /// # Errors
    ///
    /// The middleware cannot work with its settings. The app is not served then.
    fn prepare(&self) -> Result<()> {
        Ok(())
    }
}

impl<F, R, M> Middleware<ByClosure<M>> for F
where
    F: Fn(Request, Next) -> R + 'static,
    R: Reply<M>,
{
    fn handle(&self, request: Request, next: Next) -> Answer {
        self(request, next).into_answer()
    }
}

/// The same middleware around several apps, which share its state, such as what it counts.
impl<T: Middleware + ?Sized> Middleware for Rc<T> {
    fn handle(&self, request: Request, next: Next) -> Answer {
        (**self).handle(request, next)
    }

    fn prepare(&self) -> Result<()> {
        (**self).prepare()
    }
}

/// The handler below a middleware, from [`App::wrap`](crate::App::wrap).
///
/// # Examples
///
/// A header for each answer. [`respond`](Self::respond) turns an error into its page, so that error
/// pages get the header, too:
///
/// ```
/// use http::HeaderValue;
/// use reactor_web::{Answer, App, Next, Request, testing::TestClient};
///
/// fn no_cache(req: Request, next: Next) -> Answer {
///     next.respond(req).map_response(|response| {
///         response.headers_mut().insert("cache-control", HeaderValue::from_static("no-store"));
///     })
/// }
///
/// let app = App::new().get("/", |_| "hello").wrap(no_cache);
/// let client = TestClient::new(app)?;
/// assert_eq!(client.get("/").header("cache-control"), Some("no-store"));
/// assert_eq!(client.get("/nowhere").header("cache-control"), Some("no-store"));
/// # Ok::<(), deferred::Failure>(())
/// ```
pub struct Next {
    handler: AnyHandler,
}

impl Next {
    /// Lets the handler answer the request. The answer may be awaited, or changed by
    /// [`Answer::map`]; it is a failure if the handler, or other middleware, fails.
    pub fn run(self, request: Request) -> Answer {
        call(&*self.handler, request)
    }

    /// As [`run`](Self::run), but a failure becomes its error page, which is what the client gets.
    ///
    /// The failure is logged here. Outer middleware then sees no failure except [`Cancelled`], with
    /// which the answer fails if the client goes.
    pub fn respond(self, request: Request) -> Answer {
        let pages = request.failure_pages();
        // For the log; the handler takes the request. Both clones are cheap.
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let page = move |failure: Failure| -> Response {
            pages.answer(failure, &|| format!("{method} {}", uri.path()))
        };
        self.run(request).map(|result| match result {
            // The client has gone: no page, and no entry in the log for such a common event.
            Err(failure) if failure.is::<Cancelled>() => Err(failure),
            result => Ok(result.unwrap_or_else(page)),
        })
    }
}

impl fmt::Debug for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next").finish_non_exhaustive()
    }
}

/// Middleware whose type is erased.
pub(super) type AnyMiddleware = Rc<dyn ErasedMiddleware>;

pub(super) trait ErasedMiddleware {
    fn handle(&self, request: Request, next: Next) -> Answer;

    fn prepare(&self) -> Result<()>;
}

struct Typed<T, M>(T, std::marker::PhantomData<M>);

impl<T: Middleware<M>, M> ErasedMiddleware for Typed<T, M> {
    fn handle(&self, request: Request, next: Next) -> Answer {
        self.0.handle(request, next)
    }

    fn prepare(&self) -> Result<()> {
        self.0.prepare()
    }
}

/// Erases the type of `middleware`.
pub(super) fn erase_middleware<M: 'static>(middleware: impl Middleware<M>) -> AnyMiddleware {
    Rc::new(Typed(middleware, std::marker::PhantomData::<M>))
}

/// `next` with `middleware` around it.
pub(super) fn wrapped(middleware: &AnyMiddleware, next: AnyHandler) -> AnyHandler {
    let middleware = Rc::clone(middleware);
    Rc::new(Wrapped { middleware, next })
}

/// A middleware and the handler below it.
struct Wrapped {
    middleware: AnyMiddleware,
    next: AnyHandler,
}

impl Erased for Wrapped {
    fn handle(&self, request: Request) -> Answer {
        let handler = Rc::clone(&self.next);
        self.middleware.handle(request, Next { handler })
    }

    fn prepare(&self) -> Result<()> {
        self.middleware.prepare()?;
        self.next.prepare()
    }
}
