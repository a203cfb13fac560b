//! `FilterWaker`: has the connection call its filter although no bytes were received or sent.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

/// Handle that makes the connection call [`Filter::wake`](super::Filter::wake) in this turn of the
/// loop.
///
/// # Examples
///
/// A filter that opens when a Deferred has fired:
///
/// ```
/// use deferred::Deferred;
/// use reactor::filter::{Filter, Link};
/// use reactor::testing::FilterDriver;
/// use std::{cell::Cell, rc::Rc};
///
/// struct Allowed {
///     question: Option<Deferred<()>>,
///     is_allowed: Rc<Cell<bool>>,
/// }
///
/// impl Filter for Allowed {
///     fn start(&mut self, link: &mut Link<'_>) -> deferred::Result<()> {
///         let (waker, is_allowed) = (link.waker(), Rc::clone(&self.is_allowed));
///         let question = self.question.take().expect("it is started once");
///         question
///             .add_callback(move |()| {
///                 is_allowed.set(true);
///                 waker.wake();
///                 Ok(())
///             })
///             .detach();
///         Ok(())
///     }
///
///     fn wake(&mut self, link: &mut Link<'_>) -> deferred::Result<()> {
///         if self.is_allowed.get() {
///             link.open();
///         }
///         Ok(())
///     }
/// #   fn receive(&mut self, input: &mut [u8], link: &mut Link<'_>) -> deferred::Result<usize> {
/// #       link.deliver(input);
/// #       Ok(input.len())
/// #   }
/// #   fn send(&mut self, bytes: &[u8], link: &mut Link<'_>) -> deferred::Result<usize> {
/// #       link.send(bytes);
/// #       Ok(bytes.len())
/// #   }
/// }
///
/// let (trigger, question) = Deferred::pair();
/// let mut driver = FilterDriver::new(Allowed { question: Some(question), is_allowed: Rc::default() })?;
/// assert!(!driver.is_open());
/// trigger.callback(()).unwrap();
/// driver.run_woken()?;
/// assert!(driver.is_open());
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Clone)]
pub struct FilterWaker(Rc<Wake>);

struct Wake {
    /// Set by `FilterWaker::wake`; cleared by `take`, when the connection calls the filter.
    is_woken: Cell<bool>,
    /// Puts the connection into the run queue, where it then tests `is_woken`.
    notify: RefCell<Box<dyn Fn()>>,
}

impl FilterWaker {
    pub(crate) fn new(notify: impl Fn() + 'static) -> Self {
        Self(Rc::new(Wake {
            is_woken: Cell::new(false),
            notify: RefCell::new(Box::new(notify)),
        }))
    }

    /// Makes the connection call [`Filter::wake`](super::Filter::wake) of its filter. Does nothing
    /// if the connection is closed.
    pub fn wake(&self) {
        self.0.is_woken.set(true);
        // Borrowed during the call, which only puts the connection into the run queue. It runs no
        // user code, so it cannot get to `redirect`.
        (self.0.notify.borrow())();
    }

    /// Replaces the function that `wake` calls.
    pub(crate) fn redirect(&self, notify: impl Fn() + 'static) {
        *self.0.notify.borrow_mut() = Box::new(notify);
    }

    /// Whether `wake` was called since the last `take`.
    pub(crate) fn take(&self) -> bool {
        self.0.is_woken.take()
    }
}

impl fmt::Debug for FilterWaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilterWaker")
            .field("is_woken", &self.0.is_woken)
            .finish_non_exhaustive()
    }
}
