//! What a user of the `deferred` crate could see, by situation.

mod abandoned;
mod awaiting;
mod cancel;
mod chained;
mod clocks;
mod cooperator;
mod deep;
mod drops;
mod executors;
mod failure;
mod fire;
mod inline_callbacks;
mod looping;
mod pairs;
mod panics;
mod pause;
mod reentrancy;
mod sizes;
mod storage;
mod support;
mod time;
mod timeout;
mod unhandled;
mod waiting;
