//! Stage trace: the stages that a failure has passed, in bounded space.

use std::fmt;
use std::panic::Location;

/// A place in the source of a user.
pub(crate) type CallSite = &'static Location<'static>;

const KEPT: usize = 4;

/// The stages that a [`Failure`](crate::Failure) has passed, oldest first: the first four, the last
/// four, and how many there were.
///
/// # Examples
///
/// ```
/// use deferred::{Failure, fail};
///
/// let mut deferred = fail::<i32>(Failure::msg("no"));
/// for _ in 0..100 {
///     deferred = deferred.add_callback(|n| Ok(n + 1));
/// }
/// let failure = deferred.into_result().unwrap().unwrap_err();
/// assert_eq!(failure.stage_trace().count(), 100);
/// assert_eq!(failure.stage_trace().places().count(), 8);
/// ```
#[derive(Clone, Default)]
pub struct StageTrace {
    first: [Option<CallSite>; KEPT],
    last: [Option<CallSite>; KEPT],
    count: u64,
}

impl StageTrace {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn note(&mut self, place: CallSite) {
        // As below, the cast keeps what counts: the remainder, and numbers less than `KEPT`.
        let index = self.count as usize;
        if self.count < KEPT as u64 {
            self.first[index] = Some(place);
        } else {
            self.last[index % KEPT] = Some(place);
        }
        self.count += 1;
    }

    /// How many stages the failure has passed, also those that [`places`](Self::places) leaves out.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Where the stages that are still known were added, oldest first.
    pub fn places(&self) -> impl Iterator<Item = &'static Location<'static>> {
        // `KEPT` is a power of two, so the cast keeps the remainder where `usize` has 32 bits.
        let oldest_of_last = self.count as usize % KEPT;
        let last = (0..KEPT).map(move |i| self.last[(oldest_of_last + i) % KEPT]);
        self.first.into_iter().chain(last).flatten()
    }

    /// Number of forgotten stages between the place with this index among
    /// [`places`](Self::places) and the one before it; `None` if there are none.
    pub(crate) fn forgotten_before(&self, index: usize) -> Option<u64> {
        let forgotten = self.count.saturating_sub(2 * KEPT as u64);
        (index == KEPT && forgotten > 0).then_some(forgotten)
    }
}

impl fmt::Debug for StageTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.places()).finish()
    }
}

/// One indented line per stage, each beginning with a line break, and one for
/// those that were forgotten.
impl fmt::Display for StageTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, place) in self.places().enumerate() {
            if let Some(forgotten) = self.forgotten_before(index) {
                write!(f, "\n  … {forgotten} more stages")?;
            }
            write!(f, "\n  left the stage added at {place}")?;
        }
        Ok(())
    }
}
