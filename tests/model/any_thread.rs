//! The programs, run on the Deferred of several threads.

use super::program;

#[path = "flavour_sync.rs"]
mod flavour;
#[path = "real.rs"]
mod real;

pub(crate) use self::real::run;
