//! Middleware: what stands around handlers.

mod access_log;
mod basic_auth;
mod cors;
mod digest_auth;
mod headers;
mod limits;
mod shape;
mod spans;
