//! What a user of `reactor` could see: the loop, timers, threads, sockets.

mod between_frames;
mod blocking_calls;
mod bodies;
mod bounds;
mod closing;
mod connecting;
mod half_close;
mod jobs;
mod lifecycle;
mod listening;
mod many_cores;
mod ports;
mod producers;
mod readers;
mod resolving;
mod signals;
mod streams;
mod support;
mod system_events;
mod threads;
mod timers;
mod unix_sockets;
mod without_sockets;
mod worker_threads;
