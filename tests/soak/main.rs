//! Reactors under fire: peers that misbehave in every way, descriptors that run out,
//! handlers that panic. Bounded in number and time, on loopback only.
//!
//! After each, nothing must be left: no connection, no timer, no descriptor; and the
//! loop must sleep.

mod accepting;
mod beside;
mod crowd;
mod exhaustion;
mod idle;
mod killed;
mod link;
mod many;
mod panics;
mod passing;
mod relay;
mod support;
#[cfg(not(polling_test_poll_backend))]
mod without_timerfd;
