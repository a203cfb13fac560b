//! Thread pool: computations and blocking calls, while the loop goes on.
//!
//! A job has a `Remote` of the loop, through which it reports its progress. Its return value
//! fires a Deferred, in the loop's thread.
//!
//! Twisted's counterpart: the programs of "Using Threads in Twisted".
//!
//! ```text
//! cargo run --example threads
//! cargo run --example threads -- Cargo.lock
//! ```

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::Parser;
use deferred::{Cancelled, Result, gather_results, settled};
use reactor::{Reactor, Remote};

/// Counts primes and hashes a file, in threads.
#[derive(Parser)]
struct Args {
    /// The file to hash; without it, the source of this program.
    #[arg(default_value = file!())]
    file: PathBuf,
}

const STEP: u32 = 50_000;

/// Counts the primes in `range`: a long computation.
fn count_primes(range: Range<u32>, remote: &Remote) -> Result<usize> {
    let has_divisor = |n: u32| {
        let mut up_to_its_root = (2..).take_while(|d| d * d <= n);
        up_to_its_root.any(|d| n.is_multiple_of(d))
    };
    let mut count = 0;
    for start in range.step_by(STEP as usize) {
        let end = start + STEP;
        count += (start..end).filter(|n| *n > 1 && !has_divisor(*n)).count();
        // Errs if the loop has ended; then the rest is not needed.
        remote.call_from_thread(move |_reactor| println!("counted from {start} to {end}"))?;
    }
    Ok(count)
}

/// The hash of a file's contents (FNV-1a): a blocking call.
fn hash(path: &Path) -> io::Result<u64> {
    let (mut file, mut piece) = (File::open(path)?, [0; 64 * 1024]);
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    loop {
        let length = file.read(&mut piece)?;
        if length == 0 {
            return Ok(hash);
        }
        for byte in &piece[..length] {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
}

fn main() -> Result<()> {
    let Args { file } = Args::parse();
    let reactor = Reactor::new()?;
    reactor.suggest_thread_pool_size(2);

    // Both threads are busy with these ...
    let halves = [0..4 * STEP, 4 * STEP..8 * STEP].map(|half| {
        let remote = reactor.remote();
        reactor.defer_to_thread(move || count_primes(half, &remote))
    });
    let counting = gather_results(halves)
        .add_callback(|counts| println!("{} primes", counts.iter().sum::<usize>()));

    // ... so this one waits until one of them is free ...
    let name = file.display().to_string();
    let hashing = reactor
        .defer_to_thread(move || Ok(hash(&file)?))
        .add_callback(move |hash| println!("{name} has the hash {hash:016x}"));

    // ... and this one is cancelled before it starts.
    let queued = reactor.defer_to_thread(|| println!("never printed"));
    queued.cancel();
    let queued = queued.add_errback(|failure| {
        failure.trap::<Cancelled>()?;
        println!("one was cancelled while it waited");
        Ok(())
    });

    for outcome in reactor.block_on(settled([counting, hashing, queued]))? {
        outcome?;
    }
    Ok(())
}
