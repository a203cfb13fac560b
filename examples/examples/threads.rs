//! Work that takes long, in threads, while the loop goes on: results, a failure, a job that
//! is cancelled before it begins, and one that asks the loop something.
//!
//! Twisted's counterpart: `deferToThread` and `blockingCallFromThread`.
//!
//! ```text
//! cargo run --example threads
//! ```

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use deferred::{LoopingCall, defer_later, gather_results, inline_callbacks};
use reactor::{Reactor, ReactorHandle};

/// What a thread is for: nothing else runs where it is computed.
fn primes_below(limit: u32) -> usize {
    let is_prime = |n: &u32| {
        (2..*n)
            .take_while(|d| d * d <= *n)
            .all(|d| !n.is_multiple_of(d))
    };
    (2..limit).filter(is_prime).count()
}

async fn work(reactor: &ReactorHandle) -> deferred::Result<()> {
    let counts = [10_000, 20_000, 40_000]
        .map(|limit| reactor.defer_to_thread(move || Ok(primes_below(limit))));

    // Both threads are busy, so this one waits; and is dropped.
    let never = reactor.defer_to_thread(|| println!("never printed"));
    never.cancel();
    println!("cancelled: {}", never.await.unwrap_err());

    println!("primes: {:?}", gather_results(counts).await?);

    let failing = reactor.defer_to_thread(|| Ok("forty-two".parse::<u32>()?));
    println!("failed: {}", failing.await.unwrap_err());

    // The other way round: the thread waits for what the loop does.
    let remote = reactor.remote();
    let asking = reactor.defer_to_thread(move || {
        let answer = remote.blocking_call_from_thread(|reactor| {
            defer_later(reactor, Duration::from_millis(5), || Ok("in a moment"))
        })?;
        Ok(format!("the loop said: {answer}"))
    });
    println!("{}", asking.await?);
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let reactor = Reactor::new()?;
    reactor.suggest_thread_pool_size(2);

    let count = Rc::new(Cell::new(0_u32));
    let counted = Rc::clone(&count);
    let ticks = LoopingCall::new(move || counted.set(counted.get() + 1));
    ticks.start(&*reactor, Duration::from_millis(1))?.ignore();

    let handle = reactor.handle();
    reactor.block_on(inline_callbacks(async move { work(&handle).await }))?;
    println!("the loop went on: {}", count.get() > 1);
    Ok(())
}
