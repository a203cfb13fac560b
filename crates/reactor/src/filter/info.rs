//! `InfoRequest`: asking a stack of filters for a value by its type.

use std::any::Any;
use std::fmt;

/// A request for a value of one type, which [`Filter::info`](super::Filter::info) may answer.
///
/// A protocol asks with [`filter_info`](crate::Context::filter_info). If there are several filters,
/// the one next to the protocol is asked first.
///
/// # Examples
///
/// A filter that counts the bytes received:
///
/// ```
/// use reactor::filter::{Filter, InfoRequest, Link};
/// use reactor::testing::FilterDriver;
///
/// struct Count(u64);
///
/// #[derive(Debug, PartialEq)]
/// struct Received(u64);
///
/// impl Filter for Count {
///     fn receive(&mut self, input: &mut [u8], link: &mut Link<'_>) -> deferred::Result<usize> {
///         self.0 += input.len() as u64;
///         link.deliver(input);
///         Ok(input.len())
///     }
///
///     fn send(&mut self, bytes: &[u8], link: &mut Link<'_>) -> deferred::Result<usize> {
///         link.send(bytes);
///         Ok(bytes.len())
///     }
///
///     fn info(&self, request: &mut InfoRequest<'_>) {
///         request.provide(|| Received(self.0));
///     }
/// }
///
/// let mut driver = FilterDriver::new(Count(0))?;
/// driver.receive(b"hello")?;
/// assert_eq!(driver.info::<Received>(), Some(Received(5)));
/// assert_eq!(driver.info::<String>(), None);
/// # Ok::<(), deferred::Failure>(())
/// ```
pub struct InfoRequest<'a> {
    /// An `Option` of the requested type; `None` until a filter answers.
    answer: &'a mut dyn Any,
}

impl<'a> InfoRequest<'a> {
    pub(crate) fn new<T: 'static>(answer: &'a mut Option<T>) -> Self {
        Self { answer }
    }

    /// Answers with the result of `make`, if `T` is the requested type and there is no answer yet.
    pub fn provide<T: 'static>(&mut self, make: impl FnOnce() -> T) -> &mut Self {
        // `make` is not called if there is an answer: that of a filter nearer to the protocol is
        // kept.
        if let Some(answer) = self.answer.downcast_mut::<Option<T>>()
            && answer.is_none()
        {
            *answer = Some(make());
        }
        self
    }
}

impl fmt::Debug for InfoRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InfoRequest").finish_non_exhaustive()
    }
}
