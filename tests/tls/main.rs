//! TLS from the outside: as a pure filter, on connections, and against other programs.

mod certificates;
mod connections;
mod endpoints;
mod errors;
mod handshakes;
mod programs;
mod reloading;
mod starttls;
