//! The web server from the outside: on a network in memory and a clock that the tests move, with
//! raw bytes where HTTP is at stake.

mod client;
mod errors;
mod events;
mod file_conditions;
mod file_paths;
mod file_ranges;
mod files;
mod handlers;
mod http2;
mod io;
mod limits;
mod middleware;
mod protocol;
mod requests;
mod routes;
mod shutdown;
mod streams;
mod support;
mod upgrade;
