//! DNS: resolver and server, on the memory network.

mod cache;
mod config;
mod forged;
mod lookups;
mod message;
mod schedule;
mod server;
mod support;
mod tcp;
