//! Interest and readiness: the events that a source waits for, and those that it gets.

/// Number under which a source is registered. The `polling` crate reserves the highest number; the
/// next two are the loop's own.
pub(crate) type Key = usize;

/// The key of the loop's own waker.
pub(crate) const WAKER_KEY: Key = Key::MAX - 1;

/// The key of the loop's own timer descriptor.
pub(crate) const TIMER_KEY: Key = WAKER_KEY - 1;

/// The highest key that a source may have.
pub(crate) const MAX_KEY: Key = TIMER_KEY - 1;

/// The events that a source waits for.
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

/// The events that a source gets: bits of one byte, which is passed in a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ready(u8);

impl Ready {
    const TO_READ: u8 = 1;
    const TO_WRITE: u8 = 1 << 1;
    const HUNG_UP: u8 = 1 << 2;

    /// Readable, and nothing else.
    pub(crate) const READABLE: Self = Self(Self::TO_READ);

    /// A hang-up counts as readable and writable, too, because both operations return the error.
    #[inline]
    pub(crate) fn new(readable: bool, writable: bool, hung_up: bool) -> Self {
        let bit = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
        Self(
            bit(readable || hung_up, Self::TO_READ)
                | bit(writable || hung_up, Self::TO_WRITE)
                | bit(hung_up, Self::HUNG_UP),
        )
    }

    #[inline]
    pub(crate) fn is_readable(self) -> bool {
        self.0 & Self::TO_READ != 0
    }

    #[inline]
    pub(crate) fn is_writable(self) -> bool {
        self.0 & Self::TO_WRITE != 0
    }

    /// Whether there is an error, or both directions have ended. Reported without regard to the
    /// interest, again and again as long as the descriptor is registered.
    #[inline]
    pub(crate) fn is_hung_up(self) -> bool {
        self.0 & Self::HUNG_UP != 0
    }
}
