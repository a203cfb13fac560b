//! `dispatch`: one turn of a loop over descriptors that are always ready, without
//! any input or output.
//!
//! What is left when the sockets are taken away: waiting, finding the handler of
//! an event, calling it.

use std::cell::Cell;
use std::error::Error;
use std::hint::black_box;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use reactor::Reactor;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};

use crate::stats::{median, middle_half, ratios};
use crate::table::Table;

/// How to measure turns.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// A few seconds in all: shows that it works, not how fast it is
    #[arg(long)]
    short: bool,
    /// Rounds: in each, every loop runs once
    #[arg(long, default_value_t = 51)]
    rounds: usize,
    /// Milliseconds that a loop runs in each round
    #[arg(long, default_value_t = 5)]
    time: u64,
}

impl Options {
    /// What continuous integration runs.
    pub(crate) fn short() -> Self {
        Self {
            short: true,
            rounds: 3,
            time: 1,
        }
    }
}

/// A loop with so many descriptors, each with a handler of its own that counts.
trait Turns {
    /// Waits once, and calls the handler of everything that is ready.
    fn turn(&mut self) -> Result<(), Box<dyn Error>>;
}

/// The loops that take turns. The first is what the others are held against.
fn loops(
    ready: usize,
    calls: &Rc<Cell<u64>>,
) -> Result<Vec<(&'static str, Box<dyn Turns>)>, Box<dyn Error>> {
    Ok(vec![
        ("epoll_wait", Box::new(Raw::new(ready, calls)?)),
        // Against itself: what this machine cannot tell.
        ("epoll_wait again", Box::new(Raw::new(ready, calls)?)),
        ("reactor", Box::new(Ours::new(ready, calls)?)),
        (
            "reactor, a call waits",
            Box::new(Ours::new(ready, calls)?.with_a_delayed_call()),
        ),
    ])
}

pub(crate) fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let options = if options.short {
        Options::short()
    } else {
        options
    };
    let time = Duration::from_millis(options.time);
    println!(
        "dispatch: nanoseconds for a turn; {} rounds",
        options.rounds
    );
    println!();
    let mut table = Table::new([
        "loop",
        "ready",
        "a turn",
        "an event",
        "to epoll_wait (25..75 %)",
    ]);
    for ready in [1, 8, 64, 512] {
        let calls = Rc::new(Cell::new(0));
        let mut loops = loops(ready, &calls)?;
        let mut times = vec![Vec::new(); loops.len()];
        for _ in 0..options.rounds {
            for (index, (name, turns)) in loops.iter_mut().enumerate() {
                calls.set(0);
                let (turned, nanoseconds) = turn_for(turns.as_mut(), time)?;
                if calls.get() != turned * ready as u64 {
                    return Err(format!("{name} missed events").into());
                }
                times[index].push(nanoseconds);
            }
        }
        for (index, (name, _)) in loops.iter().enumerate() {
            let turn = median(&mut times[index].clone());
            let mut ratios = ratios(&times[index], &times[0]);
            table.row([
                (*name).into(),
                ready.to_string(),
                format!("{turn:.0}"),
                format!("{:.1}", turn / ready as f64),
                middle_half(&mut ratios),
            ]);
        }
    }
    table.print();
    Ok(())
}

/// How many turns were made in `time`, and what one took.
fn turn_for(turns: &mut dyn Turns, time: Duration) -> Result<(u64, f64), Box<dyn Error>> {
    let start = Instant::now();
    let mut turned = 0;
    while start.elapsed() < time {
        // So many that reading the clock does not matter.
        for _ in 0..16 {
            turns.turn()?;
        }
        turned += 16;
    }
    Ok((turned, start.elapsed().as_nanos() as f64 / turned as f64))
}

/// Descriptors that stay readable, because they are never read.
fn always_ready(count: usize) -> rustix::io::Result<Vec<OwnedFd>> {
    let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
    (0..count).map(|_| eventfd(1, flags)).collect()
}

/// epoll itself, with a boxed closure for each descriptor.
struct Raw {
    epoll: OwnedFd,
    handlers: Vec<Box<dyn FnMut()>>,
    events: Vec<epoll::Event>,
}

impl Raw {
    fn new(ready: usize, calls: &Rc<Cell<u64>>) -> rustix::io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let mut handlers = Vec::<Box<dyn FnMut()>>::with_capacity(ready);
        for (index, descriptor) in always_ready(ready)?.into_iter().enumerate() {
            epoll::add(
                &epoll,
                &descriptor,
                EventData::new_u64(index as u64),
                EventFlags::IN,
            )?;
            let calls = Rc::clone(calls);
            handlers.push(Box::new(move || {
                black_box(&descriptor);
                calls.set(calls.get() + 1);
            }));
        }
        Ok(Self {
            epoll,
            handlers,
            events: Vec::with_capacity(1024),
        })
    }
}

impl Turns for Raw {
    fn turn(&mut self) -> Result<(), Box<dyn Error>> {
        epoll::wait(&self.epoll, spare_capacity(&mut self.events), None)?;
        for event in self.events.drain(..) {
            self.handlers[event.data.u64() as usize]();
        }
        Ok(())
    }
}

/// The reactor.
struct Ours {
    reactor: Reactor,
}

impl Ours {
    fn new(ready: usize, calls: &Rc<Cell<u64>>) -> Result<Self, Box<dyn Error>> {
        let reactor = Reactor::new()?;
        for descriptor in always_ready(ready)? {
            let calls = Rc::clone(calls);
            reactor.add_reader(descriptor, move |descriptor| {
                black_box(&descriptor);
                calls.set(calls.get() + 1);
            })?;
        }
        Ok(Self { reactor })
    }

    /// Which has the reactor ask for the time and wait no longer than until the
    /// call is due.
    fn with_a_delayed_call(self) -> Self {
        self.reactor.call_later(Duration::from_secs(3600), || ());
        self
    }
}

impl Turns for Ours {
    fn turn(&mut self) -> Result<(), Box<dyn Error>> {
        self.reactor.turn(None)?;
        Ok(())
    }
}
