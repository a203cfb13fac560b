//! The interpreter, over `deferred::Deferred`.

#[path = "machine/clock.rs"]
mod clock;
#[path = "machine/flavour.rs"]
mod flavour;
#[path = "machine/mod.rs"]
mod machine;

pub(crate) use self::machine::run;
