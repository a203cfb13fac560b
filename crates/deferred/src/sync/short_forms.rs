//! Short forms of callbacks: `map_ok`, `map_err`, `flatten`.

use super::deferred::Deferred;
use crate::failure::{Failure, Result};

impl<T: Send + 'static> Deferred<T> {
    /// As [`map_ok`](crate::Deferred::map_ok) of the local flavour.
    ///
    /// # Examples
    ///
    /// ```
    /// let doubled = deferred::sync::succeed(21).map_ok(|n| 2 * n);
    /// assert_eq!(doubled.into_result().unwrap().unwrap(), 42);
    /// ```
    #[track_caller]
    #[inline]
    #[doc(alias = "map")]
    pub fn map_ok<U: Send + 'static>(self, f: impl FnOnce(T) -> U + Send + 'static) -> Deferred<U> {
        self.add_callback(move |value| Result::<U>::Ok(f(value)))
    }

    /// As [`map_err`](crate::Deferred::map_err) of the local flavour.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Failure, sync::fail};
    /// use std::io;
    ///
    /// let opened = fail::<()>(Failure::msg("no such page")).map_err(io::Error::other);
    /// assert!(opened.into_result().unwrap().unwrap_err().is::<io::Error>());
    /// ```
    #[track_caller]
    #[inline]
    pub fn map_err<E: Into<Failure>>(self, f: impl FnOnce(Failure) -> E + Send + 'static) -> Self {
        self.add_errback(move |failure| Result::<T>::Err(f(failure).into()))
    }

    /// Puts a text before a failure that comes by, saying what was being done:
    /// [`Failure::context`].
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Failure, sync::fail};
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

impl<T: Send + 'static> Deferred<Deferred<T>> {
    /// As [`flatten`](crate::Deferred::flatten) of the local flavour: with it, a callback
    /// can use `?` and give another Deferred.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::sync::succeed;
    ///
    /// let doubled = succeed("21")
    ///     .add_callback(|text| {
    ///         let number: i32 = text.parse()?;
    ///         Ok(succeed(2 * number))
    ///     })
    ///     .flatten();
    /// assert_eq!(doubled.into_result().unwrap().unwrap(), 42);
    /// ```
    #[track_caller]
    pub fn flatten(self) -> Deferred<T> {
        self.add_callback(|inner| inner)
    }
}
