//! The web server under fire, on loopback: crowds, descriptors that run out, restarts under load,
//! alone and behind HAProxy and nginx. Bounded in number and time.
//!
//! `FIRE_RESTARTS` says how many restarts are made.

mod crowds;
mod load_tools;
mod proxies;
mod restarts;
mod smuggling;
mod support;
