//! Blocking calls: threads that wait for a result from a loop.
//!
//! Each thread waits for a one-shot, which is filled once: with the result by the loop, or with an
//! error when the loop is stopped or dropped. So no thread waits for ever.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::{self, ThreadId};

use parking_lot::{Condvar, Mutex};

use crate::error::BlockingCallError;
use crate::panics::drop_contained;

/// The threads that wait for one loop.
pub(crate) struct BlockingCalls {
    /// The loop's thread, whose own calls are refused, because it would wait for itself.
    loop_thread: ThreadId,
    state: Mutex<State>,
}

struct State {
    loop_state: LoopState,
    next_number: u64,
    waiting: BTreeMap<u64, Arc<dyn GiveUp>>,
}

/// Whether a thread that begins to wait will get a result.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LoopState {
    /// The loop runs, or is going to.
    There,
    /// The loop was stopped, and has not run since.
    Stopped,
    Gone,
}

trait GiveUp: Send + Sync {
    fn give_up(&self, why: BlockingCallError);
}

impl BlockingCalls {
    /// For a loop of this thread.
    pub(crate) fn new() -> Self {
        Self {
            loop_thread: thread::current().id(),
            state: Mutex::new(State {
                loop_state: LoopState::There,
                next_number: 0,
                waiting: BTreeMap::new(),
            }),
        }
    }

    /// Calls `ask` with a sender, and waits until the loop has sent a result through it.
    pub(crate) fn wait<T: Send + 'static>(
        &self,
        ask: impl FnOnce(ReplySender<T>),
    ) -> Result<T, BlockingCallError> {
        let one_shot = Arc::new(OneShot::default());
        // The loop would wait for itself.
        let begun = if thread::current().id() == self.loop_thread {
            Err(BlockingCallError::LoopThread)
        } else {
            self.begin(Arc::<OneShot<T>>::clone(&one_shot))
        };
        let number = match begun {
            Ok(number) => number,
            Err(refused) => {
                // `ask` owns the call, which is user code.
                drop_contained("the drop of a call from a thread", ask);
                return Err(refused);
            }
        };
        // `begin` comes before `ask`, so that a stop between the two finds the waiter in the list,
        // and gives it an error.
        ask(ReplySender {
            one_shot: Arc::clone(&one_shot),
        });
        let result = one_shot.wait();
        // Removes nothing if the loop was stopped, because `turn_away` takes all waiters.
        self.state.lock().waiting.remove(&number);
        result
    }

    fn begin(&self, one_shot: Arc<dyn GiveUp>) -> Result<u64, BlockingCallError> {
        let mut state = self.state.lock();
        match state.loop_state {
            LoopState::There => {}
            LoopState::Stopped => return Err(BlockingCallError::Stopped),
            LoopState::Gone => return Err(BlockingCallError::ReactorGone),
        }
        let number = state.next_number;
        state.next_number += 1;
        state.waiting.insert(number, one_shot);
        Ok(number)
    }

    /// The loop begins to run.
    pub(crate) fn resume(&self) {
        let mut state = self.state.lock();
        if state.loop_state == LoopState::Stopped {
            state.loop_state = LoopState::There;
        }
    }

    /// The loop was stopped.
    pub(crate) fn stop(&self) {
        self.turn_away(LoopState::Stopped, || BlockingCallError::Stopped);
    }

    /// The loop was dropped.
    pub(crate) fn close(&self) {
        self.turn_away(LoopState::Gone, || BlockingCallError::ReactorGone);
    }

    fn turn_away(&self, loop_state: LoopState, why: impl Fn() -> BlockingCallError) {
        let mut state = self.state.lock();
        state.loop_state = loop_state;
        // Taken out under the lock, and notified without it, because a thread that wakes takes the
        // lock.
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        for one_shot in waiting.into_values() {
            one_shot.give_up(why());
        }
    }
}

/// Sending end, for the loop. Dropped without an answer, it sends `ReactorGone`: only a loop
/// that is dropped drops posted calls.
pub(crate) struct ReplySender<T: Send + 'static> {
    one_shot: Arc<OneShot<T>>,
}

impl<T: Send + 'static> ReplySender<T> {
    /// Whether a thread waits for the result.
    pub(crate) fn is_awaited(&self) -> bool {
        matches!(*self.one_shot.progress.lock(), Progress::Waiting)
    }

    /// Returns the result if no thread waits for it.
    pub(crate) fn give(self, result: deferred::Result<T>) -> Result<(), deferred::Result<T>> {
        let result = result.map_err(BlockingCallError::Failed);
        match self.one_shot.fill(result) {
            Ok(()) => Ok(()),
            Err(Err(BlockingCallError::Failed(failure))) => Err(Err(failure)),
            Err(Ok(value)) => Err(Ok(value)),
            Err(Err(_)) => unreachable!("what is refused is what was given"),
        }
    }
}

impl<T: Send + 'static> Drop for ReplySender<T> {
    fn drop(&mut self) {
        self.one_shot.give_up(BlockingCallError::ReactorGone);
    }
}

struct OneShot<T> {
    progress: Mutex<Progress<T>>,
    is_filled: Condvar,
}

enum Progress<T> {
    Waiting,
    Filled(Result<T, BlockingCallError>),
    /// The thread that waited has taken the result.
    Taken,
}

impl<T> Default for OneShot<T> {
    fn default() -> Self {
        Self {
            progress: Mutex::new(Progress::Waiting),
            is_filled: Condvar::new(),
        }
    }
}

impl<T> OneShot<T> {
    /// Returns `result` if the one-shot was filled before.
    fn fill(
        &self,
        result: Result<T, BlockingCallError>,
    ) -> Result<(), Result<T, BlockingCallError>> {
        let mut progress = self.progress.lock();
        if !matches!(*progress, Progress::Waiting) {
            return Err(result);
        }
        *progress = Progress::Filled(result);
        drop(progress);
        self.is_filled.notify_one();
        Ok(())
    }

    fn wait(&self) -> Result<T, BlockingCallError> {
        let mut progress = self.progress.lock();
        loop {
            // A condition variable may wake without a reason: then `Waiting` is put back.
            match std::mem::replace(&mut *progress, Progress::Taken) {
                Progress::Filled(result) => return result,
                Progress::Waiting => *progress = Progress::Waiting,
                Progress::Taken => unreachable!("one thread waits, once"),
            }
            self.is_filled.wait(&mut progress);
        }
    }
}

impl<T: Send> GiveUp for OneShot<T> {
    fn give_up(&self, why: BlockingCallError) {
        // `fill` errs if there is a result already, which is kept.
        let _ = self.fill(Err(why));
    }
}
