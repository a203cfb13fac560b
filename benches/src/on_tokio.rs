//! Runs on Tokio's loop of one thread.

use std::future::Future;
use std::time::Instant;

use tokio::runtime::Builder;
use tokio::task::LocalSet;

use crate::contest::Run;

/// A run of `work`, which does it so many times and may `spawn_local`. Starting and
/// ending the runtime is not timed.
pub(crate) fn on_tokio<F: Future<Output = ()>>(work: impl Fn(u64) -> F + 'static) -> Run {
    Box::new(move |times| {
        let runtime = Builder::new_current_thread()
            .build()
            .expect("a runtime needs no more than memory");
        let local = LocalSet::new();
        runtime.block_on(local.run_until(async {
            let start = Instant::now();
            work(times).await;
            start.elapsed()
        }))
    })
}
