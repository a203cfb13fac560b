//! `WriteLimits`: how much may wait to be sent.

/// How much may wait to be sent on one connection.
///
/// # Examples
///
/// ```
/// use reactor::WriteLimits;
///
/// let limits = WriteLimits::default();
/// assert_eq!(limits.high_water, 64 * 1024);
/// assert_eq!(limits.max_buffered, 16 * 1024 * 1024);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteLimits {
    /// While more bytes than this wait, the connection is not read from, until
    /// half of it is sent: who does not take answers is not asked for more. If
    /// there is a [producer](crate::Context::register_producer), that is paused
    /// instead.
    pub high_water: usize,
    /// If more bytes than this would wait, the connection is aborted with
    /// [`ConnectionClosed::Overflow`](crate::ConnectionClosed::Overflow).
    pub max_buffered: usize,
}

impl Default for WriteLimits {
    fn default() -> Self {
        Self {
            high_water: 64 * 1024,
            max_buffered: 16 * 1024 * 1024,
        }
    }
}
