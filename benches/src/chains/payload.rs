//! What goes through the chains: a value, and the step that is made of it.
//!
//! Every contender gets the same steps, made the same way.

use std::error::Error;
use std::fmt;
use std::hint::black_box;

/// A kind of value and a kind of closure over it.
pub(super) trait Payload: 'static {
    type Value: 'static;

    /// What the chain is fired with.
    fn start() -> Self::Value;
    /// The callback at `index`. All callbacks of a payload are of one type.
    fn step(index: usize) -> impl FnOnce(Self::Value) -> Self::Value + 'static;
}

/// What is captured lies in memory that was written long ago: words that have just
/// been written one by one, as by `black_box`, would stall the copy that reads
/// them together, and the bench would measure only that stall.
static NUMBERS: [[i64; 3]; 4] = [[1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12]];
static LENGTHS: [[usize; 3]; 4] = [[1, 16, 32], [2, 16, 64], [4, 32, 64], [8, 16, 32]];

/// An `i64`, and closures that capture three words.
pub(super) struct Number;

impl Payload for Number {
    type Value = i64;

    #[inline(always)]
    fn start() -> i64 {
        black_box(1)
    }

    #[inline(always)]
    fn step(index: usize) -> impl FnOnce(i64) -> i64 + 'static {
        let [a, b, c] = black_box(&NUMBERS)[index % NUMBERS.len()];
        move |value| (value + a) ^ (b + c)
    }
}

/// An `i64`, and closures that capture one word.
pub(super) struct Small;

impl Payload for Small {
    type Value = i64;

    #[inline(always)]
    fn start() -> i64 {
        black_box(1)
    }

    #[inline(always)]
    fn step(index: usize) -> impl FnOnce(i64) -> i64 + 'static {
        let [a, ..] = black_box(&NUMBERS)[index % NUMBERS.len()];
        move |value| (value + a) ^ 5
    }
}

/// 64 bytes, and closures that capture three words.
pub(super) struct Wide;

impl Payload for Wide {
    type Value = [i64; 8];

    #[inline(always)]
    fn start() -> [i64; 8] {
        black_box([1, 2, 3, 4, 5, 6, 7, 8])
    }

    #[inline(always)]
    fn step(index: usize) -> impl FnOnce([i64; 8]) -> [i64; 8] + 'static {
        let [a, b, c] = black_box(&NUMBERS)[index % NUMBERS.len()];
        move |mut value| {
            value[0] = (value[0] + a) ^ (b + c);
            value
        }
    }
}

/// An `i64`, and closures that capture nothing.
pub(super) struct Bare;

impl Payload for Bare {
    type Value = i64;

    #[inline(always)]
    fn start() -> i64 {
        black_box(1)
    }

    #[inline(always)]
    fn step(_index: usize) -> impl FnOnce(i64) -> i64 + 'static {
        |value| (value + 1) ^ 5
    }
}

/// A `String`, which is passed on by move, and closures that capture three words.
pub(super) struct Text;

impl Payload for Text {
    type Value = String;

    #[inline(always)]
    fn start() -> String {
        String::from(black_box("sixteen letters!"))
    }

    #[inline(always)]
    fn step(index: usize) -> impl FnOnce(String) -> String + 'static {
        let [a, b, c] = black_box(&LENGTHS)[index % LENGTHS.len()];
        move |mut text| {
            text.truncate((a | b) + c);
            text
        }
    }
}

/// An error of one word.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused(pub(super) usize);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused {} times", self.0)
    }
}

impl Error for Refused {}

/// What the second of the callbacks of a nested chain returns, or the only one.
#[derive(Clone, Copy)]
pub(super) enum Inner {
    /// A Deferred made with its result.
    Ready,
    /// One that was waiting for its result and got it.
    Fired,
    /// One that gets its result after the outer one has been fired.
    Pending,
}
