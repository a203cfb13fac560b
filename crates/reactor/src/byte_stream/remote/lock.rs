//! Lock of the shared buffers, in a file of its own so that `tests/loom` can replace it.

pub(super) use parking_lot::Mutex;
