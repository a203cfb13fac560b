//! `WaitingCall`: an entry in the list of the calls that wait.

use std::fmt;
use std::time::Duration;

/// What the name of a closure ends with.
const CLOSURE: &str = "::{{closure}}";

/// A delayed call that waits: from [`TimerQueue::waiting`](super::TimerQueue::waiting).
///
/// # Examples
///
/// ```
/// use deferred::{TimerQueue, WaitingCall};
/// use std::time::Duration;
///
/// fn remind(timers: &TimerQueue) {
///     timers.call_later(Duration::from_secs(60), || println!("tea is ready"));
/// }
///
/// let timers = TimerQueue::new(|| Duration::ZERO);
/// remind(&timers);
/// let waiting: Vec<WaitingCall> = timers.waiting();
/// assert_eq!(waiting[0].due, Duration::from_secs(60));
/// assert!(waiting[0].function.ends_with("::remind"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WaitingCall {
    /// The time at which it is due, since the clock's start.
    pub due: Duration,
    /// The function in which its closure stands, with its path; or the function that is called. A
    /// call through [`Clock`](crate::Clock), such as a timeout, is a box, whose closure has no
    /// name. The compiler may change how it writes this from one version to the next.
    pub function: &'static str,
}

impl WaitingCall {
    pub(super) fn new(due: Duration, closure: &'static str) -> Self {
        Self {
            due,
            function: function(closure),
        }
    }
}

impl fmt::Display for WaitingCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {:.3} s: {}", self.due.as_secs_f64(), self.function)
    }
}

/// The function of the innermost closure: the closures around it are those of this crate and of
/// other libraries, which call what they were given: `call_at<app::remind::{{closure}}>::{{closure}}`.
fn function(mut name: &'static str) -> &'static str {
    while let Some(inner) = argument(name) {
        name = inner;
    }
    let end = name.find(CLOSURE).unwrap_or(name.len());
    &name[..end]
}

/// The first of the type arguments in `name` that is a closure.
fn argument(name: &'static str) -> Option<&'static str> {
    let (mut depth, mut start) = (0_u32, 0);
    for (at, byte) in name.bytes().enumerate() {
        // The arrow of a function's type is no bracket.
        let is_arrow = byte == b'>' && name[..at].ends_with('-');
        match byte {
            b'<' | b'(' | b'[' => {
                depth += 1;
                if depth == 1 {
                    start = at + 1;
                }
            }
            b',' | b'>' | b')' | b']' if depth == 1 && !is_arrow => {
                let argument = name[start..at].trim_start();
                if argument.ends_with(CLOSURE) {
                    return Some(argument);
                }
                start = at + 1;
                depth -= u32::from(byte != b',');
            }
            b'>' | b')' | b']' if !is_arrow => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}
