//! What a user of `deferred::sync` could see, from one thread and from several.

mod abandoned;
mod combinators;
mod constant_memory_loops;
mod cross_thread;
mod lock_semaphore_queue;
mod same_rules_as_local;
mod share_and_start;
mod stress;
mod support;
mod testing;
mod wait;
