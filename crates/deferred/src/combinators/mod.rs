//! Several Deferreds as one: the mechanism under `DeferredList`, `gather_results`, `race` and
//! `settled`, for both flavours.
//!
//! Each part gets one stage, which has a handle on the state that all of them share and its
//! index in there (`joint`). A [`Rule`] says what the combined result is made of, and when
//! it is complete. The public types are thin wrappers: `list` and `tuple` in `local` and
//! `sync`.

mod joint;
mod rule;

pub(crate) use self::joint::{Arrival, Combines, OnCancel, Options, combine};
pub(crate) use self::rule::{FirstValue, Rule, Settled, Values};
