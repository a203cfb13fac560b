//! `Handler`: answers requests.

use std::rc::Rc;

use deferred::{Failure, Result};

use crate::request::Request;
use crate::response::{Answer, Reply};

/// A handler: answers requests.
///
/// A closure is a handler if it takes a [`Request`] and returns what [`Reply`] accepts, now or
/// later. Implement the trait for a type that has state of its own, as [`Answer`] shows. A handler
/// is never moved to another thread, so it may hold an `Rc`.
///
/// `M` is inferred; only the implementation for closures uses it.
///
/// # Examples
///
/// Where a method takes any handler, write the type of a closure's argument:
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
    /// Answers `request`. If the client goes, the answer is dropped, which cancels what it waits
    /// for.
    fn handle(&self, request: Request) -> Answer;

    /// Called before the app is served, once for each place where the handler was added. Does
    /// nothing by default.
    ///
    /// # Errors
    ///
    /// The handler cannot work: its routes conflict, or its files are not there. The app is not
    /// served then.
    fn prepare(&self) -> Result<()> {
        Ok(())
    }
}

/// Marks the [`Handler`] implementation of closures. Inferred.
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

/// A handler whose type is erased.
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

/// Erases the type of `handler`.
pub(crate) fn erase<M: 'static>(handler: impl Handler<M>) -> AnyHandler {
    Rc::new(Typed(handler, std::marker::PhantomData::<M>))
}

/// Calls `handler`; its panic becomes a failure.
pub(crate) fn call(handler: &dyn Erased, request: Request) -> Answer {
    match Failure::catch(|| handler.handle(request)) {
        Ok(answer) => answer,
        Err(failure) => Answer::failed(failure),
    }
}
