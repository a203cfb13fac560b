//! The error of a looping call.

use std::error::Error;
use std::fmt;

/// Why a method of [`LoopingCall`](crate::LoopingCall) could not start it, or could not reset it.
///
/// # Examples
///
/// ```
/// use deferred::errors::LoopingCallError;
/// use deferred::{LoopingCall, VirtualClock};
/// use std::time::Duration;
///
/// let clock = VirtualClock::new();
/// let second = Duration::from_secs(1);
/// let ticks = LoopingCall::new(|| println!("tick"));
/// assert_eq!(ticks.reset(), Err(LoopingCallError::NotRunning));
/// ticks.start(&clock, second)?.detach();
/// assert_eq!(ticks.start(&clock, second).unwrap_err(), LoopingCallError::AlreadyRunning);
/// # ticks.stop();
/// # Ok::<(), LoopingCallError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoopingCallError {
    /// The looping call runs already.
    AlreadyRunning,
    /// The looping call was stopped, but the last call of its closure has not returned, or the
    /// Deferred which that call returned has no result yet.
    StillCalling,
    /// The looping call was not started, or has ended.
    NotRunning,
}

impl fmt::Display for LoopingCallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadyRunning => "the looping call runs already",
            Self::StillCalling => "the looping call was stopped, but its last call has not ended",
            Self::NotRunning => "the looping call does not run",
        })
    }
}

impl Error for LoopingCallError {}
