//! `bodies`: what making a body of `inline_callbacks` costs while many are alive, and what
//! nesting them does to an await. What a pending one takes is in `pending`.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use deferred::{Deferred, VirtualClock, inline_callbacks, sleep};

use crate::pending::{Alive, OurBodies, TokioTasks};
use crate::stats::{median, middle_half, ratios};
use crate::table::Table;
use crate::tools;

/// How to measure bodies.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// A few seconds in all: shows that it works, not how fast it is
    #[arg(long)]
    short: bool,
    /// Rounds: in each, every contender runs once
    #[arg(long, default_value_t = 21)]
    rounds: usize,
    /// How many are alive while more are made, and how many are nested
    #[arg(long, default_value_t = 100_000)]
    alive: usize,
    /// Await so many times, each in a body inside of the one before, and nothing else, for
    /// a profiler
    #[arg(long)]
    only_nested: Option<usize>,
}

impl Options {
    /// What continuous integration runs.
    pub(crate) fn short() -> Self {
        Self {
            short: true,
            rounds: 1,
            alive: 2_000,
            only_nested: None,
        }
    }
}

pub(crate) fn run(options: Options) -> Result<(), Box<dyn Error>> {
    if let Some(nested) = options.only_nested {
        return check(awaits(nested).1);
    }
    let options = if options.short {
        Options::short()
    } else {
        options
    };
    making(&options)?;
    nesting(&options)?;
    instructions(&options)
}

fn check(is_right: bool) -> Result<(), Box<dyn Error>> {
    if is_right {
        Ok(())
    } else {
        Err("it came to something else".into())
    }
}

fn making(options: &Options) -> Result<(), Box<dyn Error>> {
    let (alive, more) = (options.alive, options.alive / 10);
    println!(
        "making one, while {alive} are alive: nanoseconds; {} rounds",
        options.rounds
    );
    println!();
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..options.rounds {
        let room = alive + more;
        times[0].push(time_making(OurBodies::new(room), alive, more));
        times[1].push(time_making(OurBodies::new(room), alive, more));
        times[2].push(time_making(TokioTasks::new(room)?, alive, more));
    }
    let mut table = Table::new(["contender", "ns", "ours to it (25..75 %)"]);
    for (index, name) in ["ours", "ours again", "Tokio spawn_local"]
        .into_iter()
        .enumerate()
    {
        let mut ratios = ratios(&times[0], &times[index]);
        table.row([
            name.into(),
            format!("{:.0}", median(&mut times[index].clone())),
            middle_half(&mut ratios),
        ]);
    }
    table.print();
    Ok(())
}

fn time_making(mut of_one: impl Alive, alive: usize, more: usize) -> f64 {
    of_one.make(alive);
    let start = Instant::now();
    of_one.make(more);
    start.elapsed().as_nanos() as f64 / more as f64
}

/// Sleeps, and awaits the same in a body of its own.
fn next(clock: &VirtualClock, left: usize) -> Deferred<usize> {
    let clock = clock.clone();
    inline_callbacks(async move {
        sleep(&clock, Duration::from_millis(1)).await?;
        match left {
            0 => Ok(0),
            _ => Ok(next(&clock, left - 1).await? + 1),
        }
    })
}

/// So many awaits, each in a body inside of the one before: nanoseconds for one.
fn awaits(number: usize) -> (f64, bool) {
    let clock = VirtualClock::new();
    let start = Instant::now();
    let done = next(&clock, number);
    clock.advance(Duration::from_millis(number as u64 + 1));
    let is_right = matches!(done.into_result(), Ok(Ok(count)) if count == number);
    (start.elapsed().as_nanos() as f64 / number as f64, is_right)
}

/// So many bodies around a pair, which is fired: nanoseconds for one.
fn fired(number: usize) -> (f64, bool) {
    let start = Instant::now();
    let (trigger, mut body) = Deferred::<usize>::pair();
    for _ in 0..number {
        let inner = body;
        body = inline_callbacks(async move { Ok(inner.await? + 1) });
    }
    let is_right = trigger.callback(0).is_ok()
        && matches!(body.into_result(), Ok(Ok(count)) if count == number);
    (start.elapsed().as_nanos() as f64 / number as f64, is_right)
}

/// The same with boxed futures, of which the outermost is polled.
fn boxed(number: usize) -> (f64, bool) {
    let start = Instant::now();
    let mut body: Pin<Box<dyn Future<Output = usize>>> = Box::pin(async { 0 });
    for _ in 0..number {
        let inner = body;
        body = Box::pin(async move { inner.await + 1 });
    }
    let is_right = futures::executor::block_on(body) == number;
    (start.elapsed().as_nanos() as f64 / number as f64, is_right)
}

fn nesting(options: &Options) -> Result<(), Box<dyn Error>> {
    const FEW: usize = 1_000;
    let many = options.alive;
    println!("nested bodies: nanoseconds for one, of {FEW} and of {many}");
    println!();
    type Case = (&'static str, fn(usize) -> (f64, bool));
    const CASES: [Case; 3] = [
        ("an await in a body in a body", awaits),
        ("bodies around a pair", fired),
        ("boxed futures, polled once", boxed),
    ];
    let rounds = options.rounds;
    let measure = move || {
        CASES.map(|(_, case)| {
            let mut times = (Vec::new(), Vec::new());
            for _ in 0..rounds {
                let small: Vec<_> = (0..10).map(|_| case(FEW)).collect();
                let large = case(many);
                if !large.1 || small.iter().any(|one| !one.1) {
                    return None;
                }
                let mut small = small.into_iter().map(|one| one.0).collect::<Vec<_>>();
                times.0.push(median(&mut small));
                times.1.push(large.0);
            }
            Some(times)
        })
    };
    // Boxed futures are polled, and dropped, inside of one another.
    let thread = std::thread::Builder::new()
        .stack_size(512 << 20)
        .spawn(measure)?;
    let found = thread.join().map_err(|_| "the thread panicked")?;
    let mut table = Table::new(["case", "few", "many", "growth (25..75 %)"]);
    for ((name, _), times) in CASES.into_iter().zip(found) {
        let (mut few, mut many) = times.ok_or("it came to something else")?;
        let mut growth = ratios(&many, &few);
        table.row([
            name.into(),
            format!("{:.0}", median(&mut few)),
            format!("{:.0}", median(&mut many)),
            middle_half(&mut growth),
        ]);
    }
    table.print();
    Ok(())
}

fn instructions(options: &Options) -> Result<(), Box<dyn Error>> {
    if !tools::is_installed("valgrind") {
        println!("bodies: valgrind is not installed; instructions are skipped");
        return Ok(());
    }
    println!("user-space instructions of an await in a body in a body, by callgrind");
    println!();
    let (few, many) = (1_000, options.alive);
    let instructions_of =
        |nested: usize| tools::own_instructions(&["bodies", "--only-nested", &nested.to_string()]);
    // What the program itself takes.
    let base = instructions_of(1)?;
    let each = |number: usize| -> Result<f64, Box<dyn Error>> {
        Ok((instructions_of(number)? - base) / (number - 1) as f64)
    };
    let (of_few, of_many) = (each(few)?, each(many)?);
    let mut table = Table::new(["nested", "instructions", "growth"]);
    for (number, count) in [(few, of_few), (many, of_many)] {
        table.row([
            number.to_string(),
            format!("{count:.0}"),
            format!("{:.3}", count / of_few),
        ]);
    }
    table.print();
    Ok(())
}
