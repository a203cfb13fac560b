//! `timers`: delayed calls, many at once and many one after the other.

use std::cell::Cell;
use std::error::Error;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use deferred::{DelayedCall, TimerQueue};
use futures::FutureExt;
use tokio::runtime;
use tokio_util::time::{DelayQueue, delay_queue};

use crate::stats::{median, middle_half, ratios};
use crate::table::Table;

/// How to measure timers.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// A few seconds in all: shows that it works, not how fast it is
    #[arg(long)]
    short: bool,
    /// Rounds: in each, every contender runs once
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// How many timers there are at the same time
    #[arg(long, default_value_t = 1_000_000)]
    timers: usize,
}

impl Options {
    /// What continuous integration runs.
    pub(crate) fn short() -> Self {
        Self {
            short: true,
            rounds: 1,
            timers: 20_000,
        }
    }
}

/// Live timers in the case of many one after the other.
const FEW: usize = 10_000;

/// Deadlines lie within this.
const SPAN: Duration = Duration::from_secs(3600);

/// Nanoseconds for one timer.
struct Times {
    insert: f64,
    cancel: f64,
    fire: f64,
}

pub(crate) fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let options = if options.short {
        Options::short()
    } else {
        options
    };
    let count = options.timers;
    println!(
        "timers: nanoseconds for one of {count} that wait at the same time; 9 of 10 are \
         cancelled, the others made; {} rounds",
        options.rounds
    );
    println!();
    let deadlines = deadlines(count);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        ours.push(with_ours(&deadlines)?);
        theirs.push(with_delay_queue(&deadlines)?);
    }
    let mut table = Table::new(["step", "ours", "DelayQueue", "ours to it (25..75 %)"]);
    let steps: [(&str, fn(&Times) -> f64); 3] = [
        ("insert", |times| times.insert),
        ("cancel", |times| times.cancel),
        ("fire", |times| times.fire),
    ];
    for (name, step) in steps {
        let mut ours: Vec<_> = ours.iter().map(step).collect();
        let mut theirs: Vec<_> = theirs.iter().map(step).collect();
        let mut ratios = ratios(&ours, &theirs);
        table.row([
            name.into(),
            format!("{:.0}", median(&mut ours)),
            format!("{:.0}", median(&mut theirs)),
            middle_half(&mut ratios),
        ]);
    }
    table.print();

    println!("one after the other, while {FEW} wait: nanoseconds");
    println!();
    let mut table = Table::new(["case", "ours"]);
    let turns = if options.short { 20_000 } else { 1_000_000 };
    let mut cases = [Vec::new(), Vec::new()];
    for _ in 0..options.rounds {
        cases[0].push(cancel_and_insert(turns));
        cases[1].push(fire_and_insert(turns));
    }
    for (name, times) in ["cancel one and insert one", "fire one and insert one"]
        .into_iter()
        .zip(&mut cases)
    {
        table.row([name.into(), format!("{:.0}", median(times))]);
    }
    table.print();
    Ok(())
}

/// The same for everybody, in no order.
fn deadlines(count: usize) -> Vec<Duration> {
    let span = SPAN.as_nanos() as u64;
    let mut random = Random::default();
    (0..count)
        .map(|_| Duration::from_nanos(random.next() % span))
        .collect()
}

/// The numbers below `count`, in no order.
fn shuffled(count: usize) -> Vec<usize> {
    let mut random = Random::default();
    let mut numbers: Vec<_> = (0..count).collect();
    for last in (1..count).rev() {
        numbers.swap(last, (random.next() % (last as u64 + 1)) as usize);
    }
    numbers
}

/// Random enough (xorshift); the same in every run.
struct Random(u64);

impl Default for Random {
    fn default() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }
}

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

fn per(start: Instant, count: usize) -> f64 {
    start.elapsed().as_nanos() as f64 / count as f64
}

fn with_ours(deadlines: &[Duration]) -> Result<Times, Box<dyn Error>> {
    let queue = TimerQueue::new(|| Duration::ZERO);
    let made = Rc::new(Cell::new(0));
    let mut calls: Vec<DelayedCall> = Vec::with_capacity(deadlines.len());
    let start = Instant::now();
    for &deadline in deadlines {
        let made = Rc::clone(&made);
        calls.push(queue.call_later(deadline, move || made.set(made.get() + 1)));
    }
    let insert = per(start, deadlines.len());
    let cancelled = deadlines.len() / 10 * 9;
    let order = shuffled(deadlines.len());
    let start = Instant::now();
    for &number in &order[..cancelled] {
        calls[number].cancel();
    }
    let cancel = per(start, cancelled);
    drop(calls);
    let left = deadlines.len() - cancelled;
    let start = Instant::now();
    queue.run_due(SPAN);
    let fire = per(start, left);
    if made.get() != left {
        return Err("calls were missed".into());
    }
    Ok(Times {
        insert,
        cancel,
        fire,
    })
}

fn with_delay_queue(deadlines: &[Duration]) -> Result<Times, Box<dyn Error>> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?;
    runtime.block_on(async {
        let mut queue = DelayQueue::new();
        let mut keys: Vec<delay_queue::Key> = Vec::with_capacity(deadlines.len());
        let start = Instant::now();
        for (number, &deadline) in deadlines.iter().enumerate() {
            keys.push(queue.insert(number as u64, deadline));
        }
        let insert = per(start, deadlines.len());
        let cancelled = deadlines.len() / 10 * 9;
        let order = shuffled(deadlines.len());
        let start = Instant::now();
        for &number in &order[..cancelled] {
            queue.remove(&keys[number]);
        }
        let cancel = per(start, cancelled);
        let left = deadlines.len() - cancelled;
        tokio::time::advance(SPAN + Duration::from_secs(1)).await;
        let start = Instant::now();
        let mut fired = 0;
        while fired < left {
            let next = poll_fn(|cx| match queue.poll_expired(cx) {
                Poll::Ready(Some(expired)) => Poll::Ready(Some(expired.into_inner())),
                Poll::Ready(None) => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            });
            match next.now_or_never() {
                Some(Some(_)) => fired += 1,
                Some(None) => break,
                None => tokio::time::advance(Duration::from_millis(1)).await,
            }
        }
        let fire = per(start, left);
        if fired != left {
            return Err("timers were missed".into());
        }
        Ok(Times {
            insert,
            cancel,
            fire,
        })
    })
}

fn filled() -> (TimerQueue, Vec<DelayedCall>, Vec<Duration>) {
    let queue = TimerQueue::new(|| Duration::ZERO);
    let deadlines = deadlines(FEW);
    let calls = deadlines
        .iter()
        .map(|&deadline| queue.call_at(deadline, || ()))
        .collect();
    (queue, calls, deadlines)
}

fn cancel_and_insert(turns: usize) -> f64 {
    let (queue, mut calls, deadlines) = filled();
    let start = Instant::now();
    for turn in 0..turns {
        let at = turn % FEW;
        // Never errs: the clock does not advance, so no call was made.
        calls[at].cancel();
        calls[at] = queue.call_at(deadlines[(turn * 7) % FEW], || ());
    }
    per(start, turns)
}

fn fire_and_insert(turns: usize) -> f64 {
    let (queue, calls, deadlines) = filled();
    drop(calls);
    let start = Instant::now();
    let mut made = 0;
    while made < turns {
        // As a loop does, that waits until then.
        let now = queue.next_look().unwrap_or_default();
        let calls = queue.run_due(now);
        for number in 0..calls {
            let after = deadlines[(made + number) % FEW];
            queue.call_at(now + after, || ());
        }
        made += calls;
    }
    per(start, made)
}
