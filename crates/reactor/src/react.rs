//! `block_on` and `react`: run a loop until a Deferred has its result.

use std::cell::Cell;
use std::process::{ExitCode, Termination};
use std::rc::Rc;

use deferred::{Cancelled, Deferred, DeferredHandle, Failure, Outcome, Result, maybe_deferred};

use crate::error::RunError;
use crate::handle::ReactorHandle;
use crate::reactor::Reactor;
use crate::signals::Watch;
use crate::system_event::{Phase, SystemEvent};

impl Reactor {
    /// Runs the loop until `deferred` has its result, and returns the result.
    ///
    /// Then this leaves the loop as [`crash`](ReactorHandle::crash) does: connections and ports
    /// stay open, and continue with the next run. If the loop was running before (between two
    /// [turns](Reactor::turn)), it stays running.
    ///
    /// # Errors
    ///
    /// The failure of `deferred`; or a [`RunError`] if the loop is in a turn already, cannot wait
    /// for events, or was stopped before there was a result. In this case, `deferred` is not
    /// cancelled, and continues when the loop runs.
    #[doc(alias = "run_until_complete")]
    pub fn block_on<T: 'static>(&self, deferred: Deferred<T>) -> Result<T> {
        let result = Rc::new(Cell::new(None));
        let has_result = Rc::new(Cell::new(false));
        let (slot, flag) = (Rc::clone(&result), Rc::clone(&has_result));
        let core = self.owned_core();
        // Weak, because the Deferred may fire when the reactor is gone, if the loop is stopped
        // before.
        let weak = Rc::downgrade(core);
        let waiting = deferred.add_both(move |outcome| {
            slot.set(Some(outcome));
            flag.set(true);
            if let Some(core) = weak.upgrade() {
                core.skips_wait.set(true);
            }
        });
        // The outcome is in `slot`; this chain has nothing to report.
        waiting.ignore();
        if !has_result.get() {
            let was_running = core.is_running();
            core.run_until(Some(&has_result))?;
            // This call has started the loop, so it ends the loop again, without a shutdown, which
            // would close connections that the caller still uses.
            if !was_running {
                core.crash();
            }
        }
        result
            .take()
            .unwrap_or_else(|| Err(Failure::new(RunError::Stopped)))
    }
}

/// Runs a program that ends when a Deferred fires: makes a reactor, calls `main` with it, and runs
/// until the Deferred of `main` has a result. (Twisted: `task.react`.)
///
/// SIGINT and SIGTERM stop the reactor: the Deferred is cancelled, and its callbacks may still
/// clean up. A second signal ends the process at once.
///
/// The exit code is that of the value (see [`Termination`]): 0 for `()`. A failure is printed with
/// all its details, and the exit code is 1. After a signal, the exit code is 128 plus its number.
///
/// # Examples
///
/// ```
/// use deferred::defer_later;
/// use reactor::{ReactorHandle, react};
/// use std::process::ExitCode;
/// use std::time::Duration;
///
/// fn main() -> ExitCode {
///     react(|reactor: &ReactorHandle| {
///         defer_later(reactor, Duration::from_millis(10), || println!("that was all"))
///     })
/// }
/// ```
#[doc(alias = "task.react")]
#[doc(alias = "tokio::main")]
pub fn react<F, O>(main: F) -> ExitCode
where
    F: FnOnce(&ReactorHandle) -> O,
    O: Outcome,
    O::Value: Termination,
{
    let reactor = match Reactor::new() {
        Ok(reactor) => reactor,
        Err(error) => return failed(&error.into()),
    };
    let watch = match Watch::start(&reactor) {
        Ok(watch) => watch,
        Err(error) => return failed(&error.into()),
    };
    let result = Rc::new(Cell::new(None));
    let slot = Rc::clone(&result);
    let handle = reactor.handle();
    let mut running = maybe_deferred(|| main(&reactor)).add_both(move |outcome| {
        slot.set(Some(outcome));
        // The loop may not run yet, if `main` has its result at once.
        let stopping = handle.clone();
        handle.call_when_running(move || stopping.stop());
    });
    let handle = running.handle();
    reactor.add_system_event_trigger(Phase::Before, SystemEvent::Shutdown, move || {
        wait_for_end(&handle, running)
    });
    if let Err(error) = reactor.run() {
        return failed(&error.into());
    }
    match (watch.signal(), result.take()) {
        (Some(signal), None) => signal.exit_code(),
        // `wait_for_end` has cancelled `main` because of the signal, so this is not an error of the
        // program.
        (Some(signal), Some(Err(failure))) if failure.is::<Cancelled>() => signal.exit_code(),
        (_, Some(Ok(value))) => value.report(),
        (_, Some(Err(failure))) => failed(&failure),
        (None, None) => failed(&RunError::Stopped.into()),
    }
}

/// Cancels the Deferred of `main`, if it has no result when the reactor is stopped, and waits for
/// it.
fn wait_for_end(handle: &DeferredHandle, running: Deferred<()>) -> Deferred<()> {
    handle.cancel();
    running
}

fn failed(failure: &Failure) -> ExitCode {
    eprintln!("{failure:?}");
    ExitCode::FAILURE
}
