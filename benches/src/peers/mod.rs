//! `peers`: sixteen callbacks on one result, here and elsewhere: under Tokio, under
//! the executor of `futures`, in Node.js and in Twisted.
//!
//! Executors and microtask queues take turns, and a turn costs something whatever is
//! done in it. So everybody makes a batch of chains, fires all of them and then takes
//! all results.

use std::cell::Cell;
use std::error::Error;
use std::hint::black_box;
use std::process::Command;
use std::rc::Rc;

use deferred::Deferred;
use futures::FutureExt;
use futures::channel::oneshot;
use futures::executor::LocalPool;
use futures::future::LocalBoxFuture;
use futures::task::LocalSpawnExt;

use crate::contest::{self, Contest, Finding, Options, number, timed};
use crate::on_tokio::on_tokio;
use crate::stats::median;
use crate::table::Table;

const CALLBACKS: usize = 16;
const BATCH: usize = 64;
const CASE: &str = "16 callbacks";

/// A program that does the same in another language. It is called with the
/// milliseconds that it may take, and prints the nanoseconds for a callback.
struct Elsewhere {
    name: &'static str,
    program: &'static str,
    /// What makes the program run the text that follows.
    flag: &'static str,
    /// Fails if the program lacks something.
    probe: &'static str,
    script: &'static str,
}

const ELSEWHERE: [Elsewhere; 2] = [
    Elsewhere {
        name: "Node.js, promises",
        program: "node",
        flag: "-e",
        probe: "",
        script: include_str!("promises.js"),
    },
    Elsewhere {
        name: "Twisted, Deferreds",
        program: "python3",
        flag: "-c",
        probe: "import twisted",
        script: include_str!("deferreds.py"),
    },
];

pub(crate) fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let contest = contest();
    if options.child.is_some() {
        return contest::run("peers", "", &[contest], &options);
    }
    let options = options.settled();
    let milliseconds = if options.short { 5 } else { 300 };
    let once = Options {
        processes: 1,
        ..options.clone()
    };

    // Everybody has a process in each turn.
    let mut here: Vec<Vec<Finding>> = vec![Vec::new(); contest.others.len() + 1];
    let mut elsewhere = [const { Vec::new() }; ELSEWHERE.len()];
    for _ in 0..options.processes {
        let found = contest::in_children("peers", CASE, here.len(), &once)?;
        for (all, found) in here.iter_mut().zip(found) {
            all.extend(found);
        }
        for (times, program) in elsewhere.iter_mut().zip(&ELSEWHERE) {
            times.extend(program.nanoseconds(milliseconds)?);
        }
    }

    println!(
        "peers: nanoseconds for a callback of {CALLBACKS}; {} processes",
        options.processes
    );
    println!();
    let mut table = Table::new(["contender", "time", "ours/its"]);
    let each = |findings: &[Finding]| contest::nanoseconds(findings) / contest.units as f64;
    table.row([
        String::from("ours"),
        number(each(&here[0])),
        contest::nothing(),
    ]);
    for ((name, _), findings) in contest.others.iter().zip(&here[1..]) {
        let ratio = contest::ratio(findings);
        table.row([(*name).to_owned(), number(each(findings)), ratio]);
    }
    for (program, mut times) in ELSEWHERE.iter().zip(elsewhere) {
        let ratios = here[0].iter().zip(&times);
        let ratios: Vec<f64> = ratios
            .map(|(ours, theirs)| ours.nanoseconds / contest.units as f64 / theirs)
            .collect();
        let (time, ratio) = if ratios.is_empty() {
            (String::from("not at hand"), contest::nothing())
        } else {
            (number(median(&mut times)), contest::spread(ratios, 4))
        };
        table.row([program.name.to_owned(), time, ratio]);
    }
    table.print();
    Ok(())
}

impl Elsewhere {
    /// `None` if the program is not there.
    fn nanoseconds(&self, milliseconds: u64) -> Result<Option<f64>, Box<dyn Error>> {
        let probe = Command::new(self.program)
            .args([self.flag, self.probe])
            .output();
        if !probe.is_ok_and(|output| output.status.success()) {
            return Ok(None);
        }
        let output = Command::new(self.program)
            .args([self.flag, self.script, &milliseconds.to_string()])
            .output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        let nanoseconds = said.trim().parse().map_err(|_| {
            let complaint = String::from_utf8_lossy(&output.stderr);
            format!("{}: {}: {complaint}", self.name, output.status)
        })?;
        Ok(Some(nanoseconds))
    }
}

fn contest() -> Contest {
    Contest::new(CASE, CALLBACKS * BATCH, None, timed(ours))
        .against(
            "Tokio, oneshot and boxed maps in spawn_local",
            on_tokio(|times| async move {
                for _ in 0..times {
                    tokio_batch().await;
                }
            }),
        )
        .against(
            "futures, oneshot and boxed maps in LocalPool",
            timed(pool_batch),
        )
}

/// What each callback does, made of what it captures.
#[inline(always)]
fn step(index: usize) -> impl FnOnce(i64) -> i64 + 'static {
    static NUMBERS: [[i64; 3]; 4] = [[1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12]];
    let [a, b, c] = black_box(&NUMBERS)[index % NUMBERS.len()];
    move |value| (value + a) ^ (b + c)
}

fn ours() {
    let mut triggers = Vec::with_capacity(BATCH);
    let mut results = Vec::with_capacity(BATCH);
    for _ in 0..BATCH {
        let (trigger, mut deferred) = Deferred::pair();
        for index in 0..CALLBACKS {
            let step = step(index);
            deferred = deferred.add_callback(move |value| Ok(step(value)));
        }
        triggers.push(trigger);
        results.push(deferred);
    }
    for trigger in triggers {
        let _ = trigger.callback(black_box(1));
    }
    for result in results {
        let _ = black_box(result.into_result());
    }
}

async fn tokio_batch() {
    let mut senders = Vec::with_capacity(BATCH);
    let mut tasks = Vec::with_capacity(BATCH);
    for _ in 0..BATCH {
        let (sender, receiver) = tokio::sync::oneshot::channel::<i64>();
        senders.push(sender);
        tasks.push(tokio::task::spawn_local(mapped(receiver.boxed_local())));
    }
    // All wait before they are sent to.
    tokio::task::yield_now().await;
    for sender in senders {
        let _ = sender.send(black_box(1));
    }
    for task in tasks {
        let _ = black_box(task.await);
    }
}

fn pool_batch() {
    let mut pool = LocalPool::new();
    let spawner = pool.spawner();
    let done = Rc::new(Cell::new(0));
    let mut senders = Vec::with_capacity(BATCH);
    for _ in 0..BATCH {
        let (sender, receiver) = oneshot::channel::<i64>();
        senders.push(sender);
        let done = Rc::clone(&done);
        let mapped = mapped(receiver.boxed_local());
        let task = async move {
            let _ = black_box(mapped.await);
            done.set(done.get() + 1);
        };
        spawner.spawn_local(task).expect("the pool is there");
    }
    pool.run_until_stalled();
    for sender in senders {
        let _ = sender.send(black_box(1));
    }
    pool.run_until_stalled();
    assert_eq!(done.get(), BATCH, "all were sent");
}

fn mapped<E: 'static>(
    mut future: LocalBoxFuture<'static, Result<i64, E>>,
) -> LocalBoxFuture<'static, Result<i64, E>> {
    for index in 0..CALLBACKS {
        let step = step(index);
        future = future.map(move |result| result.map(step)).boxed_local();
    }
    future
}
