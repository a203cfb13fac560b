//! What sources want to hear of, and what they hear.

/// What a source is registered under. The poller keeps the highest for itself,
/// the next one is ours.
pub(crate) type Key = usize;

/// The key of the loop's own waker.
pub(crate) const WAKER_KEY: Key = Key::MAX - 1;

/// The highest key a source may have.
pub(crate) const MAX_KEY: Key = WAKER_KEY - 1;

/// What a source wants to hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interest {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
}

impl Interest {
    pub(crate) const READABLE: Self = Self {
        readable: true,
        writable: false,
    };
    pub(crate) const WRITABLE: Self = Self {
        readable: false,
        writable: true,
    };
    pub(crate) const NONE: Self = Self {
        readable: false,
        writable: false,
    };
}

/// What a source hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// An error, or both directions at their end. It is told whatever the
    /// interest, again and again for as long as the descriptor is registered.
    pub(crate) hung_up: bool,
}
