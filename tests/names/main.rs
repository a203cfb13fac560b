//! DNS: resolver and server, on the memory network.

mod cache;
mod config;
mod forged;
mod lookups;
mod message;
mod peers;
mod schedule;
mod server;
mod srv;
mod support;
mod tcp;
mod tls;
