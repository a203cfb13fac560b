//! What a user of the `deferred` crate could see, by situation.

mod abandoned;
mod awaiting;
mod cancel;
mod chained;
mod combinators;
mod deep;
mod drops;
mod failure;
mod fire;
mod lock;
mod log_error;
mod pairs;
mod panics;
mod pause;
mod queue;
mod race;
mod reentrancy;
mod semaphore;
mod sizes;
mod storage;
mod support;
mod time;
mod unhandled;
mod waiting;
