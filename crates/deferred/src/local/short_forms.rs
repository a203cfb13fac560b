//! Short forms of callbacks: `map_ok`, `map_err`, `flatten`.

use super::deferred::Deferred;
use crate::failure::{Failure, Result};

impl<T: 'static> Deferred<T> {
    /// Adds a callback that cannot fail: what it gives is the next value.
    /// Short for `add_callback(|value| Ok(f(value)))`.
    ///
    /// # Examples
    ///
    /// ```
    /// let doubled = deferred::succeed(21).map_ok(|n| 2 * n);
    /// assert_eq!(doubled.into_result().unwrap().unwrap(), 42);
    /// ```
    #[track_caller]
    #[inline]
    #[doc(alias = "map")]
    pub fn map_ok<U: 'static>(self, f: impl FnOnce(T) -> U + 'static) -> Deferred<U> {
        self.add_callback(move |value| Result::<U>::Ok(f(value)))
    }

    /// Adds an errback that gives another failure, of any error.
    /// Short for `add_errback(|failure| Err(f(failure).into()))`.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Failure, fail};
    /// use std::io;
    ///
    /// let opened = fail::<()>(Failure::msg("no such page")).map_err(io::Error::other);
    /// assert!(opened.into_result().unwrap().unwrap_err().is::<io::Error>());
    /// ```
    #[track_caller]
    #[inline]
    pub fn map_err<E: Into<Failure>>(self, f: impl FnOnce(Failure) -> E + 'static) -> Self {
        self.add_errback(move |failure| Result::<T>::Err(f(failure).into()))
    }

    /// Puts a text before a failure that comes by, saying what was being done:
    /// [`Failure::context`].
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
    pub fn context(self, text: impl Into<String>) -> Self {
        let text = text.into();
        self.map_err(|failure| failure.context(text))
    }
}

impl<T: 'static> Deferred<Deferred<T>> {
    /// Waits for the Deferred that is the value, and goes on with its result.
    ///
    /// With it, a callback can use `?` *and* give another Deferred: it gives that in
    /// `Ok(..)`, and `flatten` waits for it.
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
    pub fn flatten(self) -> Deferred<T> {
        self.add_callback(|inner| inner)
    }
}
