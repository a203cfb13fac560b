//! Nested failures: an error that contains failures may be the error of a failure, to any depth.
//! They are dropped with a bounded stack, and printed to a bounded depth.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::ops::Deref;

use super::Failure;
use crate::panics::drop_contained;

/// The failures that an error contains. However deep they are nested, dropping them takes a
/// bounded stack: the outermost drop works through a queue, and the drops inside of it only add
/// to the queue.
#[derive(Clone)]
pub(super) struct Inside<T: Default + IntoIterator<Item = Failure>> {
    failures: T,
}

impl<T: Default + IntoIterator<Item = Failure>> Inside<T> {
    pub(super) fn new(failures: T) -> Self {
        Self { failures }
    }
}

impl<T: Default + IntoIterator<Item = Failure>> Deref for Inside<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.failures
    }
}

/// Failures to be dropped, of this thread.
struct Queue {
    waiting: RefCell<Vec<Failure>>,
    /// A drop further up the stack works through the queue: set by the outermost, cleared when
    /// the queue is empty. A panic does not keep it set, since each drop is contained.
    is_draining: Cell<bool>,
}

thread_local! {
    static QUEUE: Queue = const {
        Queue {
            waiting: RefCell::new(Vec::new()),
            is_draining: Cell::new(false),
        }
    };
}

impl<T: Default + IntoIterator<Item = Failure>> Drop for Inside<T> {
    fn drop(&mut self) {
        let failures = std::mem::take(&mut self.failures);
        // Errs when the queue of the thread is gone; then they are dropped as they are, with the
        // closure that has them, and nesting takes stack.
        let _ = QUEUE.try_with(|queue| {
            queue.waiting.borrow_mut().extend(failures);
            if queue.is_draining.replace(true) {
                return;
            }
            loop {
                // Out of the borrow: the drop of a failure comes back here, to add what is inside.
                let next = queue.waiting.borrow_mut().pop();
                match next {
                    Some(failure) => drop_contained(failure),
                    None => break,
                }
            }
            queue.is_draining.set(false);
        });
    }
}

/// The depth to which errors that contain failures are printed; deeper ones are printed as `…`.
const TOLD: usize = 16;

/// Calls `tell`, which prints an error, unless [`TOLD`] others around it are being printed.
pub(super) fn tell_inside(
    f: &mut fmt::Formatter<'_>,
    tell: impl FnOnce(&mut fmt::Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    // Errs when the thread ends and the cell is gone. Then the depth cannot be counted, so the
    // error is treated as too deep.
    let depth = DEPTH.try_with(Cell::get).unwrap_or(TOLD);
    if depth == TOLD {
        return f.write_str("…");
    }
    let _told = Told::at(depth);
    tell(f)
}

thread_local! {
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// An error is being printed, for as long as this lives.
struct Told {
    depth: usize,
}

impl Told {
    fn at(depth: usize) -> Self {
        // Cannot err: the cell was there a moment ago.
        let _ = DEPTH.try_with(|told| told.set(depth + 1));
        Self { depth }
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        // As above. Also while a `Display` panics, so that the next one begins at the right depth.
        let _ = DEPTH.try_with(|told| told.set(self.depth));
    }
}
