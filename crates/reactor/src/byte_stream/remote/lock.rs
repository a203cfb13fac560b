//! Lock of the shared buffers: a file of its own, which `tests/loom` replaces.

pub(super) use parking_lot::Mutex;
