//! `gather`: a tuple of Deferreds as one Deferred of a tuple.

use super::deferred::Deferred;
use super::list::gather_results;
use crate::chain::Flavour;
use crate::chain::Local;

/// Waits for the values of Deferreds of different types, and fires with a tuple of them.
///
/// It is [`gather_results`] for a tuple of two to eight Deferreds. At the first failure, the
/// returned Deferred fails with a [`FirstError`](crate::FirstError), which has the index of the
/// Deferred that failed; the other Deferreds go on. A cancel of the returned Deferred cancels
/// each Deferred of the tuple that has no result yet.
///
/// # Examples
///
/// ```
/// use deferred::{Deferred, gather, succeed};
///
/// let (trigger, age) = Deferred::pair();
/// let greeting = gather((succeed("Ada"), age))
///     .add_callback(|(name, age)| Ok(format!("{name} is {age}")));
/// trigger.callback(36).unwrap();
/// assert_eq!(greeting.into_result().unwrap().unwrap(), "Ada is 36");
/// ```
#[track_caller]
#[doc(alias = "join")]
#[doc(alias = "try_join")]
pub fn gather<D: DeferredTuple>(deferreds: D) -> Deferred<D::Values> {
    deferreds.gather()
}

/// A tuple of two to eight Deferreds, for [`gather`].
///
/// # Examples
///
/// ```
/// use deferred::{Deferred, DeferredTuple, gather, succeed};
///
/// fn both<D: DeferredTuple>(deferreds: D) -> Deferred<D::Values> {
///     gather(deferreds).context("asking both")
/// }
/// let values = both((succeed(1), succeed("two"))).into_result().unwrap().unwrap();
/// assert_eq!(values, (1, "two"));
/// ```
pub trait DeferredTuple: sealed::Sealed {
    /// The tuple of the values, in the order of the Deferreds.
    type Values: 'static;

    #[doc(hidden)]
    #[track_caller]
    fn gather(self) -> Deferred<Self::Values>;
}

mod sealed {
    #[expect(unnameable_types, reason = "it seals the trait")]
    pub trait Sealed {}
}

macro_rules! tuples {
    ($(($($value:ident $T:ident),+))+) => {$(
        impl<$($T: 'static),+> sealed::Sealed for ($(Deferred<$T>,)+) {}

        impl<$($T: 'static),+> DeferredTuple for ($(Deferred<$T>,)+) {
            type Values = ($($T,)+);

            #[track_caller]
            fn gather(self) -> Deferred<Self::Values> {
                // `gather_results` takes Deferreds of one type only. So a callback of each
                // Deferred stores its value in `places` and returns `()`, and
                // `gather_results` waits for all these callbacks.
                let places = Local::handle(($(None::<$T>,)+));
                let ($($value,)+) = self;
                tuples!(@parts places [] $($value)+);
                let parts = vec![$($value),+];
                gather_results(parts).map_ok(move |_| {
                    let ($($value,)+) = Local::with(&places, std::mem::take);
                    match ($($value,)+) {
                        ($(Some($value),)+) => ($($value,)+),
                        _ => unreachable!("gather_results fires after all values are stored"),
                    }
                })
            }
        }
    )+};
    // Adds to each Deferred the callback that stores its value. The pattern of the callback
    // binds the place of this value, and has `_` for each value before and after it.
    (@parts $places:ident [$($before:ident)*] $value:ident $($after:ident)*) => {
        let place = $places.clone();
        let $value = $value.map_ok(move |value| {
            Local::with(&place, |places| {
                let ($(tuples!(@skip $before),)* place, $(tuples!(@skip $after),)*) = places;
                *place = Some(value);
            });
        });
        tuples!(@parts $places [$($before)* $value] $($after)*);
    };
    (@parts $places:ident [$($before:ident)*]) => {};
    (@skip $value:ident) => { _ };
}

tuples! {
    (a A, b B)
    (a A, b B, c C)
    (a A, b B, c C, d D)
    (a A, b B, c C, d D, e E)
    (a A, b B, c C, d D, e E, f F)
    (a A, b B, c C, d D, e E, f F, g G)
    (a A, b B, c C, d D, e E, f F, g G, h H)
}
