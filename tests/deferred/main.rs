//! What a user of the `deferred` crate could see, by situation.

mod abandoned;
mod awaiting;
mod cancel;
mod chained;
mod deep;
mod drops;
mod executors;
mod failure;
mod fire;
mod inline_callbacks;
mod pairs;
mod panics;
mod pause;
mod reentrancy;
mod sizes;
mod storage;
mod support;
mod time;
mod unhandled;
mod waiting;
