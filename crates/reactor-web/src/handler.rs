//! `Handler`: answers requests.

use std::rc::Rc;

use deferred::{Failure, Result};

use crate::request::Request;
use crate::response::{Answer, Reply};

/// Answers requests.
///
/// Closures are handlers: those of a [`Request`] that return what [`Reply`] takes, now or later.
/// Implement it for a type that has state of its own, as [`Answer`] shows. A handler is never
/// moved to another thread, so it may hold an `Rc`.
///
/// `M` is inferred, and has to do with closures only.
///
/// # Examples
///
/// Where a method takes a handler, not a closure, the argument's type is to be written:
///
/// ```
/// use reactor_web::{App, Request, testing::TestClient};
///
/// let app = App::new().mount("/echo", |req: Request| req.rest().to_owned());
/// assert_eq!(TestClient::new(app)?.get("/echo/a/b").text(), "/a/b");
/// # Ok::<(), deferred::Failure>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler",
    label = "does not answer requests",
    note = "a handler is a closure `|req: Request| ..` that returns what `Reply` takes, or a type that implements `Handler`"
)]
pub trait Handler<M = ()>: 'static {
    /// Answers `request`. Dropping the answer cancels what it waits for: the client is gone.
    fn handle(&self, request: Request) -> Answer;

    /// Called when the app is about to be served: before requests, and once for each time that
    /// the handler was added. By default, there is nothing to do.
    ///
    /// # Errors
    ///
    /// The handler cannot work: its routes conflict, or its files are not there. The app is not
    /// served then.
    fn prepare(&self) -> Result<()> {
        Ok(())
    }
}

/// Marks the [`Handler`] that a closure is. Inferred.
#[derive(Debug)]
#[doc(hidden)]
pub struct ByClosure<M>(std::marker::PhantomData<M>);

impl<F, R, M> Handler<ByClosure<M>> for F
where
    F: Fn(Request) -> R + 'static,
    R: Reply<M>,
{
    fn handle(&self, request: Request) -> Answer {
        self(request).into_answer()
    }
}

/// A handler whose type is forgotten.
pub(crate) type AnyHandler = Rc<dyn Erased>;

pub(crate) trait Erased {
    fn handle(&self, request: Request) -> Answer;

    fn prepare(&self) -> Result<()> {
        Ok(())
    }
}

struct Typed<H, M>(H, std::marker::PhantomData<M>);

impl<H: Handler<M>, M> Erased for Typed<H, M> {
    fn handle(&self, request: Request) -> Answer {
        self.0.handle(request)
    }

    fn prepare(&self) -> Result<()> {
        self.0.prepare()
    }
}

/// Forgets the type of `handler`.
pub(crate) fn erase<M: 'static>(handler: impl Handler<M>) -> AnyHandler {
    Rc::new(Typed(handler, std::marker::PhantomData::<M>))
}

/// Calls `handler`; a panic of it becomes a failure.
pub(crate) fn call(handler: &dyn Erased, request: Request) -> Answer {
    match Failure::catch(|| handler.handle(request)) {
        Ok(answer) => answer,
        Err(failure) => Answer::failed(failure),
    }
}
