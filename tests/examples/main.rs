//! The examples, run as programs: what they print, and how they end.

mod activation;
mod bad_use;
mod beside;
mod both_ways;
mod build;
mod commands;
mod cores;
mod datagrams;
mod deferreds;
mod echo;
mod forwarding;
mod framed_rpc;
mod joined;
mod line_chat;
mod poetry;
mod program;
mod proxy_protocol;
mod shutdown;
mod table;
mod talk;
mod timers;
mod tls;
mod tour;
mod unix_chat;
mod web;
mod worker_threads;
