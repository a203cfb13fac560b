//! `posts`: calls from another thread, as fast as that can make them.

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use reactor::Reactor;
use tokio::runtime;
use tokio::sync::mpsc;

use crate::stats::{median, middle_half, ratios};
use crate::table::Table;

/// How to measure posts.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// A few seconds in all: shows that it works, not how fast it is
    #[arg(long)]
    short: bool,
    /// Rounds: in each, every contender runs once
    #[arg(long, default_value_t = 21)]
    rounds: usize,
    /// Posts in a round
    #[arg(long, default_value_t = 300_000)]
    posts: u64,
}

impl Options {
    /// What continuous integration runs.
    pub(crate) fn short() -> Self {
        Self {
            short: true,
            rounds: 1,
            posts: 10_000,
        }
    }
}

type Contender = (&'static str, fn(u64) -> Result<f64, Box<dyn Error>>);

const CONTENDERS: [Contender; 4] = [
    ("ours", ours),
    ("ours again", ours),
    ("Tokio, mpsc of boxes", tokio_channel),
    ("Tokio, a task for each", tokio_spawn),
];

pub(crate) fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let options = if options.short {
        Options::short()
    } else {
        options
    };
    println!(
        "posts: nanoseconds for one of {} that another thread makes, until all were run; {} rounds",
        options.posts, options.rounds
    );
    println!();
    compare(&CONTENDERS, "ns a post", options.rounds, options.posts)?;
    println!();
    println!(
        "replies: nanoseconds for one of {} jobs in one other thread whose results come back",
        options.posts / 10
    );
    println!();
    compare(&REPLIES, "ns a reply", options.rounds, options.posts / 10)
}

/// Runs the contenders in turn, `rounds` times with `count` each, and prints their medians
/// beside those of the first.
fn compare(
    contenders: &[Contender],
    unit: &str,
    rounds: usize,
    count: u64,
) -> Result<(), Box<dyn Error>> {
    let mut times = vec![Vec::new(); contenders.len()];
    for _ in 0..rounds {
        for (times, (_, run)) in times.iter_mut().zip(contenders) {
            times.push(run(count)?);
        }
    }
    let mut table = Table::new(["contender", unit, "ours to it (25..75 %)"]);
    for (index, (name, _)) in contenders.iter().enumerate() {
        let mut ratios = ratios(&times[0], &times[index]);
        table.row([
            (*name).into(),
            format!("{:.0}", median(&mut times[index].clone())),
            middle_half(&mut ratios),
        ]);
    }
    table.print();
    Ok(())
}

const REPLIES: [Contender; 4] = [
    ("ours", replies),
    ("ours again", replies),
    ("deferred::sync, into_local", replies_by_shared_chains),
    ("Tokio, spawn_blocking", replies_of_tokio),
];

fn one_thread() -> Result<Reactor, Box<dyn Error>> {
    let reactor = Reactor::new()?;
    reactor.suggest_thread_pool_size(1);
    Ok(reactor)
}

fn sum_of(found: &[u64], replies: u64) -> Result<(), Box<dyn Error>> {
    let expected: u64 = (0..replies).map(|number| number * 3).sum();
    if found.iter().sum::<u64>() == expected {
        Ok(())
    } else {
        Err("replies were missed".into())
    }
}

fn replies(count: u64) -> Result<f64, Box<dyn Error>> {
    let reactor = one_thread()?;
    let start = Instant::now();
    let found = (0..count).map(|number| reactor.defer_to_thread(move || Ok(number * 3)));
    let found = reactor.block_on(deferred::gather_results(found))?;
    let time = per(start, count);
    sum_of(&found, count)?;
    Ok(time)
}

/// The same by a shared chain each, which its own thread is woken for.
fn replies_by_shared_chains(count: u64) -> Result<f64, Box<dyn Error>> {
    let reactor = one_thread()?;
    let start = Instant::now();
    let mut found = Vec::new();
    for number in 0..count {
        let (trigger, reply) = deferred::sync::Deferred::<u64>::pair();
        reactor.call_in_thread(move || {
            // Errs only if it was cancelled, which nothing does.
            let _ = trigger.callback(number * 3);
        })?;
        found.push(reply.into_local());
    }
    let found = reactor.block_on(deferred::gather_results(found))?;
    let time = per(start, count);
    sum_of(&found, count)?;
    Ok(time)
}

fn replies_of_tokio(count: u64) -> Result<f64, Box<dyn Error>> {
    let runtime = runtime::Builder::new_current_thread()
        .max_blocking_threads(1)
        .build()?;
    let start = Instant::now();
    let found = runtime.block_on(async {
        let jobs: Vec<_> = (0..count)
            .map(|number| tokio::task::spawn_blocking(move || number * 3))
            .collect();
        let mut found = Vec::new();
        for job in jobs {
            found.push(job.await?);
        }
        Ok::<_, tokio::task::JoinError>(found)
    })?;
    let time = per(start, count);
    sum_of(&found, count)?;
    Ok(time)
}

/// What each post does: it captures three words.
fn work(sum: &AtomicU64, number: u64, factor: u64) {
    sum.fetch_add(number * factor, Ordering::Relaxed);
}

/// Counting references would cost more than posting.
fn sum() -> &'static AtomicU64 {
    Box::leak(Box::default())
}

fn per(start: Instant, posts: u64) -> f64 {
    start.elapsed().as_nanos() as f64 / posts as f64
}

fn check(sum: &AtomicU64, posts: u64) -> Result<(), Box<dyn Error>> {
    let expected: u64 = (0..posts).map(|number| number * 3).sum();
    if sum.load(Ordering::Relaxed) == expected {
        Ok(())
    } else {
        Err("posts were missed".into())
    }
}

fn ours(posts: u64) -> Result<f64, Box<dyn Error>> {
    let reactor = Reactor::new()?;
    let remote = reactor.remote();
    let sum = sum();
    let start = Instant::now();
    let thread = thread::spawn(move || {
        for number in 0..posts {
            remote.call_from_thread(move |_| work(sum, number, 3))?;
        }
        remote.call_from_thread(|reactor| {
            reactor.stop();
        })
    });
    reactor.run()?;
    let time = per(start, posts);
    thread.join().map_err(|_| "the thread panicked")??;
    check(sum, posts)?;
    Ok(time)
}

fn tokio_channel(posts: u64) -> Result<f64, Box<dyn Error>> {
    let runtime = runtime::Builder::new_current_thread().build()?;
    let (sender, mut receiver) = mpsc::unbounded_channel::<Box<dyn FnOnce() + Send>>();
    let sum = sum();
    let start = Instant::now();
    let thread = thread::spawn(move || {
        for number in 0..posts {
            // Errs only if the receiver is dropped, which happens after all were received.
            let _ = sender.send(Box::new(move || work(sum, number, 3)));
        }
    });
    runtime.block_on(async {
        while let Some(post) = receiver.recv().await {
            post();
        }
    });
    let time = per(start, posts);
    thread.join().map_err(|_| "the thread panicked")?;
    check(sum, posts)?;
    Ok(time)
}

fn tokio_spawn(posts: u64) -> Result<f64, Box<dyn Error>> {
    let runtime = runtime::Builder::new_current_thread().build()?;
    let handle = runtime.handle().clone();
    let sum = sum();
    let (done, is_done) = tokio::sync::oneshot::channel::<()>();
    let start = Instant::now();
    let thread = thread::spawn(move || {
        for number in 0..posts {
            handle.spawn(async move { work(sum, number, 3) });
        }
        handle.spawn(async move {
            let _ = done.send(());
        });
    });
    runtime.block_on(is_done)?;
    let time = per(start, posts);
    thread.join().map_err(|_| "the thread panicked")?;
    check(sum, posts)?;
    Ok(time)
}
