//! Reactors under fire: peers that misbehave in every way, descriptors that run out,
//! handlers that panic. Bounded in number and time, on loopback only.
//!
//! After each, nothing must be left: no connection, no timer, no descriptor; and the
//! loop must sleep.

mod accept_after_exhaustion;
mod closed_in_accept_failed;
mod descriptor_exhaustion;
mod descriptor_passing;
mod half_open_tls;
mod idle_connections;
mod killed_client;
mod link_down;
mod many_connections;
mod misbehaving_peers;
mod panicking_handlers;
mod processes_threads_datagrams;
mod relay;
mod support;
#[cfg(not(polling_test_poll_backend))]
mod without_timerfd;
