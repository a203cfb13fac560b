//! What a user of `reactor` could see: the loop, timers, threads, TCP.

mod between_frames;
mod blocking_calls;
mod bodies;
mod bounds;
mod closing;
mod connecting;
mod datagrams;
mod datagrams_full;
mod datagrams_unix;
mod jobs;
mod lifecycle;
mod listening;
mod multicast;
mod readers;
mod resolving;
mod signals;
mod support;
mod threads;
mod timers;
mod worker_threads;
