//! Middleware: what stands around handlers.

mod access_log;
mod basic_auth;
mod cors;
mod csrf;
mod digest_auth;
mod forwarded;
mod headers;
mod limits;
mod peers;
mod sessions;
mod shape;
mod spans;
