//! Several Deferreds made into one: the mechanism under `DeferredList`,
//! `gather_results`, `race` and `settled`, for either flavour.
//!
//! A part gets one stage, which holds a handle to what all of them share and its
//! number there (`joint`). What the combined result is made of, and when, is a
//! [`Rule`](rule::Rule). The public types of each flavour are thin wrappers: `list`
//! here, and `sync::list`.

mod joint;
mod list;
mod rule;
mod tuple;

#[cfg(feature = "sync")]
pub(crate) use self::joint::{OnCancel, Options, combine};
pub use self::list::{DeferredList, gather_results, race, settled};
#[cfg(feature = "sync")]
pub(crate) use self::rule::{FirstValue, Rule, Settled, Values};
pub use self::tuple::{DeferredTuple, gather};
