//! TLS from the outside: as a pure filter, on connections, and against other programs.

mod bulk;
mod byte_streams;
mod certificates;
mod connections;
mod endpoints;
mod errors;
mod half_open;
mod handshakes;
mod key_logging;
mod panics;
mod programs;
mod records;
mod reloading;
mod remote_streams;
mod sessions;
mod starttls;
mod stopping;
