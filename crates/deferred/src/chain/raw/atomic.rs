//! The atomics of a chain: those of `std`, or those that `loom` can make take turns.

pub(super) use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
