//! `pending`: the heap that pending Deferreds and bodies of `inline_callbacks` take.

use std::error::Error;
use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;

use deferred::{Deferred, Trigger, inline_callbacks};
use tokio::runtime::{self, Runtime};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, LocalSet};

use crate::allocations;
use crate::table::Table;

/// How many are measured at once, after as many that warm the allocator up.
const NUMBER: usize = 1_000;

/// Makes values that stay pending until `self` is dropped.
pub(crate) trait Alive {
    fn make(&mut self, number: usize);
}

pub(crate) fn run() -> Result<(), Box<dyn Error>> {
    println!("pending: heap and allocations of each");
    println!();
    let room = 2 * NUMBER;
    let mut table = Table::new(["what is pending", "bytes", "allocations"]);
    for callbacks in [0, 1, 3, 4, 16] {
        measure(
            &mut table,
            &format!("a pair with {callbacks} callbacks of two words"),
            OurPairs::new(room, callbacks),
        );
    }
    measure(&mut table, "Tokio oneshot", TokioChannels::new(room));
    measure(
        &mut table,
        "Tokio oneshot and a boxed future that awaits it",
        TokioFutures::new(room),
    );
    measure(
        &mut table,
        "inline_callbacks on a pair",
        OurBodies::new(room),
    );
    measure(
        &mut table,
        "Tokio spawn_local on a oneshot",
        TokioTasks::new(room)?,
    );
    table.print();
    Ok(())
}

fn measure(table: &mut Table, name: &str, alive: impl Alive) {
    let (bytes, steps) = of_each(alive);
    table.row([name.into(), format!("{bytes:.0}"), format!("{steps:.2}")]);
}

/// Bytes and allocations of one.
fn of_each(mut alive: impl Alive) -> (f64, f64) {
    alive.make(NUMBER);
    let ((), bytes, steps) = allocations::held(|| alive.make(NUMBER));
    (bytes as f64 / NUMBER as f64, steps as f64 / NUMBER as f64)
}

/// Pairs with a number of callbacks that capture two words each.
struct OurPairs {
    callbacks: usize,
    pending: Vec<(Trigger<u64>, Deferred<u64>)>,
}

impl OurPairs {
    fn new(room: usize, callbacks: usize) -> Self {
        Self {
            callbacks,
            pending: Vec::with_capacity(room),
        }
    }
}

impl Alive for OurPairs {
    fn make(&mut self, number: usize) {
        for _ in 0..number {
            let (trigger, mut deferred) = Deferred::pair();
            for _ in 0..self.callbacks {
                let words = black_box([1_u64, 2]);
                deferred = deferred.add_callback(move |n| Ok(n + words[0] + words[1]));
            }
            self.pending.push((trigger, deferred));
        }
    }
}

impl Drop for OurPairs {
    fn drop(&mut self) {
        ignore(&mut self.pending);
    }
}

/// Bodies, each of which awaits a pair of its own.
pub(crate) struct OurBodies {
    pending: Vec<(Trigger<u64>, Deferred<u64>)>,
}

impl OurBodies {
    pub(crate) fn new(room: usize) -> Self {
        Self {
            pending: Vec::with_capacity(room),
        }
    }
}

impl Alive for OurBodies {
    fn make(&mut self, number: usize) {
        for _ in 0..number {
            let (trigger, deferred) = Deferred::pair();
            let body = inline_callbacks(async move { Ok(deferred.await? + 1) });
            self.pending.push((trigger, body));
        }
    }
}

impl Drop for OurBodies {
    fn drop(&mut self) {
        ignore(&mut self.pending);
    }
}

/// That they are abandoned is reported nowhere.
fn ignore(pending: &mut Vec<(Trigger<u64>, Deferred<u64>)>) {
    for (_, deferred) in pending.drain(..) {
        deferred.ignore();
    }
}

struct TokioChannels {
    pending: Vec<(oneshot::Sender<u64>, oneshot::Receiver<u64>)>,
}

impl TokioChannels {
    fn new(room: usize) -> Self {
        Self {
            pending: Vec::with_capacity(room),
        }
    }
}

impl Alive for TokioChannels {
    fn make(&mut self, number: usize) {
        self.pending
            .extend((0..number).map(|_| oneshot::channel::<u64>()));
    }
}

type BoxedFuture = Pin<Box<dyn Future<Output = u64>>>;

struct TokioFutures {
    pending: Vec<(oneshot::Sender<u64>, BoxedFuture)>,
}

impl TokioFutures {
    fn new(room: usize) -> Self {
        Self {
            pending: Vec::with_capacity(room),
        }
    }
}

impl Alive for TokioFutures {
    fn make(&mut self, number: usize) {
        for _ in 0..number {
            let (sender, receiver) = oneshot::channel::<u64>();
            let future = async move { receiver.await.unwrap_or(0) + 1 };
            self.pending.push((sender, Box::pin(future)));
        }
    }
}

/// Tasks of Tokio's current thread, each of which awaits a oneshot of its own.
pub(crate) struct TokioTasks {
    pending: Vec<(oneshot::Sender<u64>, JoinHandle<u64>)>,
    local: LocalSet,
    runtime: Runtime,
}

impl TokioTasks {
    pub(crate) fn new(room: usize) -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            pending: Vec::with_capacity(room),
            local: LocalSet::new(),
            runtime: runtime::Builder::new_current_thread().build()?,
        })
    }
}

impl Alive for TokioTasks {
    fn make(&mut self, number: usize) {
        for _ in 0..number {
            let (sender, receiver) = oneshot::channel::<u64>();
            let task = async move { receiver.await.unwrap_or(0) + 1 };
            self.pending.push((sender, self.local.spawn_local(task)));
        }
        // They are polled for the first time, as ours are when they are made.
        self.local.block_on(&self.runtime, async {
            for _ in 0..number.div_ceil(32) {
                tokio::task::yield_now().await;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::{OurBodies, OurPairs, of_each};

    /// A debug build keeps a borrow flag for each chain.
    const SLACK: f64 = if cfg!(debug_assertions) { 1.5 } else { 1.0 };

    #[test]
    fn a_pair_with_up_to_three_small_callbacks_is_one_block_of_256_bytes() {
        for callbacks in 0..=3 {
            let (bytes, steps) = of_each(OurPairs::new(2_000, callbacks));
            assert!(bytes <= 256.0 * SLACK, "{callbacks} callbacks: {bytes}");
            assert_eq!(steps, 1.0, "{callbacks} callbacks");
        }
    }

    #[test]
    fn a_body_on_a_pair_is_three_blocks_of_600_bytes_in_all() {
        let (bytes, steps) = of_each(OurBodies::new(2_000));
        assert!(bytes <= 600.0 * SLACK, "{bytes}");
        assert_eq!(steps, 3.0);
    }
}
