//! What a user of `deferred::sync` could see, from one thread and from several.

mod abandoned;
mod across;
mod combining;
mod coordinating;
mod handed_down;
mod rules;
mod stress;
mod support;
mod testing;
mod wait;
