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
    /// A drop further down the stack works through the queue. Set by the outermost drop, cleared
    /// when the queue is empty. A panic does not keep it set, since each drop is contained.
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
        // Errs when the queue of the thread is gone; then the failures are dropped with the
        // closure, and nested ones take stack.
        let _ = QUEUE.try_with(|queue| {
            queue.waiting.borrow_mut().extend(failures);
            if queue.is_draining.replace(true) {
                return;
            }
            loop {
                // Nothing is borrowed below: the drop of a failure adds those inside of it here.
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
const MAX_DEPTH: usize = 16;

/// Calls `print`, which prints an error, unless [`MAX_DEPTH`] others around it are being printed.
pub(super) fn print_nested(
    f: &mut fmt::Formatter<'_>,
    print: impl FnOnce(&mut fmt::Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    // Errs when the thread ends and the cell is gone. Then the depth cannot be counted, so the
    // error is treated as too deep.
    let depth = DEPTH.try_with(Cell::get).unwrap_or(MAX_DEPTH);
    if depth == MAX_DEPTH {
        return f.write_str("…");
    }
    let _printing = Printing::at(depth);
    print(f)
}

thread_local! {
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Counts an error as being printed, for as long as this lives.
struct Printing {
    depth: usize,
}

impl Printing {
    fn at(depth: usize) -> Self {
        // Cannot err: the cell was there a moment ago.
        let _ = DEPTH.try_with(|depth_now| depth_now.set(depth + 1));
        Self { depth }
    }
}

impl Drop for Printing {
    fn drop(&mut self) {
        // As above. Also while a `Display` panics, so that the next one begins at the right depth.
        let _ = DEPTH.try_with(|depth_now| depth_now.set(self.depth));
    }
}
