//! Short forms of callbacks: `map_ok`, `map_err`, `context`, `flatten`.

use super::deferred::Deferred;
use crate::failure::{Failure, Result};

impl<T: 'static> Deferred<T> {
    /// Adds a callback that cannot fail: its return value is the next value. Short for
    /// `add_callback(|value| Ok(f(value)))`.
    #[track_caller]
    #[inline]
    #[doc(alias = "map")]
    pub fn map_ok<U: 'static>(self, f: impl FnOnce(T) -> U + 'static) -> Deferred<U> {
        self.add_callback(move |value| Result::<U>::Ok(f(value)))
    }

    /// Adds an errback that replaces the failure by another error. Short for
    /// `add_errback(|failure| Err(f(failure).into()))`.
    #[track_caller]
    #[inline]
    pub fn map_err<E: Into<Failure>>(self, f: impl FnOnce(Failure) -> E + 'static) -> Self {
        self.add_errback(move |failure| Result::<T>::Err(f(failure).into()))
    }

    /// If the chain has a failure, puts `text` before its message, to say which operation
    /// failed. Short for an errback that calls [`Failure::context`].
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Failure, fail};
    ///
    /// let page = fail::<()>(Failure::msg("no route")).context("fetching the page");
    /// let failure = page.into_result().unwrap().unwrap_err();
    /// assert_eq!(failure.to_string(), "fetching the page: no route");
    /// ```
    #[track_caller]
    #[doc(alias = "with_context")]
    pub fn context(self, text: impl Into<String>) -> Self {
        let text = text.into();
        self.map_err(|failure| failure.context(text))
    }
}

impl<T: 'static> Deferred<Deferred<T>> {
    /// Waits for the Deferred that is the value, and continues with the result of that Deferred.
    ///
    /// So a callback can use `?` *and* wait for another Deferred: the callback returns the
    /// Deferred in `Ok(..)`, and `flatten` waits for it.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Deferred, succeed};
    ///
    /// fn item(number: u32) -> Deferred<String> {
    ///     succeed(format!("item {number}"))
    /// }
    ///
    /// let show = |line: &'static str| {
    ///     succeed(line)
    ///         .add_callback(|line| {
    ///             let number = line.trim().parse()?;
    ///             Ok(item(number))
    ///         })
    ///         .flatten()
    /// };
    /// assert_eq!(show(" 7 ").into_result().unwrap().unwrap(), "item 7");
    /// assert!(show("seven").into_result().unwrap().is_err());
    /// ```
    #[track_caller]
    #[doc(alias = "try_flatten")]
    pub fn flatten(self) -> Deferred<T> {
        self.add_callback(|inner| inner)
    }
}
