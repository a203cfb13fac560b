//! The web server from the outside: on a network in memory and a clock that the tests move, with
//! raw bytes where HTTP is at stake.

mod against_a_model;
mod client;
mod compression;
mod cores;
mod errors;
mod events;
mod file_conditions;
mod file_paths;
mod file_ranges;
mod files;
mod frames;
mod handlers;
mod http2;
mod http2_floods;
mod io;
mod limits;
mod middleware;
mod protocol;
mod requests;
mod resources;
mod reverse_proxy;
mod reverse_proxy_http2;
mod reverse_proxy_upgrades;
mod routes;
mod shutdown;
mod smuggling;
mod streams;
mod support;
mod unlimited;
mod upgrade;
mod vanishing;
mod websocket;
mod websocket_autobahn;
mod websocket_frames;
mod websocket_programs;
