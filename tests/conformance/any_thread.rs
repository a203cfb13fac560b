//! The interpreter, over `deferred::sync::Deferred`.

#[path = "machine/no_clock.rs"]
mod clock;
#[path = "machine/flavour_sync.rs"]
mod flavour;
#[path = "machine/mod.rs"]
mod machine;

pub(crate) use self::machine::run;
