//! Threads that wait for what a loop gives them.
//!
//! Each waits at a slot, which is filled once: by the loop, or because the loop was
//! stopped or is gone. So nobody waits for ever.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::{self, ThreadId};

use parking_lot::{Condvar, Mutex};

use crate::contain::drop_contained;
use crate::error::BlockingCallError;

/// The threads that wait for one loop.
pub(crate) struct Blocked {
    /// Where the loop runs: it would wait for itself there.
    loop_thread: ThreadId,
    state: Mutex<State>,
}

struct State {
    loop_is: LoopIs,
    next_number: u64,
    waiting: BTreeMap<u64, Arc<dyn GiveUp>>,
}

/// What those who begin to wait can expect of the loop.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LoopIs {
    /// It runs, or is going to.
    There,
    /// It was stopped, and has not run since.
    Stopped,
    Gone,
}

trait GiveUp: Send + Sync {
    fn give_up(&self, why: BlockingCallError);
}

impl Blocked {
    /// For a loop of this thread.
    pub(crate) fn new() -> Self {
        Self {
            loop_thread: thread::current().id(),
            state: Mutex::new(State {
                loop_is: LoopIs::There,
                next_number: 0,
                waiting: BTreeMap::new(),
            }),
        }
    }

    /// Waits for what `ask` sees to that the answer is given.
    pub(crate) fn wait<T: Send + 'static>(
        &self,
        ask: impl FnOnce(Answer<T>),
    ) -> Result<T, BlockingCallError> {
        let slot = Arc::new(Slot::default());
        let begun = if thread::current().id() == self.loop_thread {
            Err(BlockingCallError::LoopThread)
        } else {
            self.begin(Arc::<Slot<T>>::clone(&slot))
        };
        let number = match begun {
            Ok(number) => number,
            Err(refused) => {
                // It has the call, which is a user's.
                drop_contained("the drop of a call from a thread", ask);
                return Err(refused);
            }
        };
        ask(Answer {
            slot: Arc::clone(&slot),
        });
        let result = slot.wait();
        self.state.lock().waiting.remove(&number);
        result
    }

    fn begin(&self, slot: Arc<dyn GiveUp>) -> Result<u64, BlockingCallError> {
        let mut state = self.state.lock();
        match state.loop_is {
            LoopIs::There => {}
            LoopIs::Stopped => return Err(BlockingCallError::Stopped),
            LoopIs::Gone => return Err(BlockingCallError::ReactorGone),
        }
        let number = state.next_number;
        state.next_number += 1;
        state.waiting.insert(number, slot);
        Ok(number)
    }

    /// The loop begins to run.
    pub(crate) fn resume(&self) {
        let mut state = self.state.lock();
        if state.loop_is == LoopIs::Stopped {
            state.loop_is = LoopIs::There;
        }
    }

    /// The loop was stopped.
    pub(crate) fn stop(&self) {
        self.turn_away(LoopIs::Stopped, || BlockingCallError::Stopped);
    }

    /// The loop is gone.
    pub(crate) fn close(&self) {
        self.turn_away(LoopIs::Gone, || BlockingCallError::ReactorGone);
    }

    fn turn_away(&self, loop_is: LoopIs, why: impl Fn() -> BlockingCallError) {
        let mut state = self.state.lock();
        state.loop_is = loop_is;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        for slot in waiting.into_values() {
            slot.give_up(why());
        }
    }
}

/// What the loop answers with. Dropped without an answer, it says that the loop is gone:
/// nothing else drops what was posted to it.
pub(crate) struct Answer<T: Send + 'static> {
    slot: Arc<Slot<T>>,
}

impl<T: Send + 'static> Answer<T> {
    /// Whether somebody waits for it.
    pub(crate) fn is_awaited(&self) -> bool {
        matches!(*self.slot.progress.lock(), Progress::Waiting)
    }

    /// Gives the result back if nobody waits for it.
    pub(crate) fn give(self, result: deferred::Result<T>) -> Result<(), deferred::Result<T>> {
        let result = result.map_err(BlockingCallError::Failed);
        match self.slot.fill(result) {
            Ok(()) => Ok(()),
            Err(Err(BlockingCallError::Failed(failure))) => Err(Err(failure)),
            Err(Ok(value)) => Err(Ok(value)),
            Err(Err(_)) => unreachable!("what is refused is what was given"),
        }
    }
}

impl<T: Send + 'static> Drop for Answer<T> {
    fn drop(&mut self) {
        self.slot.give_up(BlockingCallError::ReactorGone);
    }
}

struct Slot<T> {
    progress: Mutex<Progress<T>>,
    is_filled: Condvar,
}

enum Progress<T> {
    Waiting,
    Filled(Result<T, BlockingCallError>),
    /// The one who waited has it.
    Taken,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self {
            progress: Mutex::new(Progress::Waiting),
            is_filled: Condvar::new(),
        }
    }
}

impl<T> Slot<T> {
    /// Gives the result back if there is one already.
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
            match std::mem::replace(&mut *progress, Progress::Taken) {
                Progress::Filled(result) => return result,
                Progress::Waiting => *progress = Progress::Waiting,
                Progress::Taken => unreachable!("one thread waits, once"),
            }
            self.is_filled.wait(&mut progress);
        }
    }
}

impl<T: Send> GiveUp for Slot<T> {
    fn give_up(&self, why: BlockingCallError) {
        // It has its result, or it is given up.
        let _ = self.fill(Err(why));
    }
}
