//! The examples, run as programs: what they print, and how they end.

mod bad_use;
mod beside;
mod build;
mod datagrams;
mod deferreds;
mod echo;
mod line_chat;
mod poetry;
mod program;
mod timers;
mod tour;
