//! What Deferreds can do: a dozen small programs, each with a title.
//!
//! Twisted's counterpart: none; the guide in `docs/guide` explains each program.
//!
//! ```text
//! cargo run --example tour
//! ```

use std::time::Duration;

use deferred::{
    Cancelled, Deferred, DeferredLock, DeferredQueue, DeferredSemaphore, Failure, LoopingCall,
    Result, TimedOut, VirtualClock, fail, gather_results, inline_callbacks, race, settled, sleep,
    succeed,
};

const SECOND: Duration = Duration::from_secs(1);

type Program = fn() -> Result<()>;

const PROGRAMS: [(&str, Program); 12] = [
    ("a result that comes later", later),
    ("over to the failures, and back", crossing),
    ("a callback that waits", waiting),
    ("a cancel", cancelling),
    ("all of them", all),
    ("the first of them", first),
    ("whatever comes of them", whatever),
    ("one at a time", one_at_a_time),
    ("two at a time", two_at_a_time),
    ("a producer and a consumer", producer_and_consumer),
    ("a timeout, and every second", time),
    ("written as async", body),
];

fn main() -> Result<()> {
    // Fails if a program leaves an unhandled failure.
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    for (title, program) in PROGRAMS {
        println!("{title}:");
        program()?;
    }
    Ok(())
}

fn say(text: impl std::fmt::Display) {
    println!("  {text}");
}

fn later() -> Result<()> {
    let (trigger, deferred) = Deferred::pair();
    deferred.add_callback(|text: &str| say(text)).detach();
    say("nothing yet");
    Ok(trigger.callback("here it is")?)
}

fn crossing() -> Result<()> {
    succeed("forty-two")
        .add_callback(|text| Ok(text.parse::<i32>()?))
        .add_callback(|_number| say("not called"))
        .add_errback(say)
        .add_callback(|()| say("recovered"))
        .detach();
    Ok(())
}

fn waiting() -> Result<()> {
    let (answer, inner) = Deferred::pair();
    succeed("question")
        .add_callback(move |_question| inner)
        .add_callback(|answer: &str| say(answer))
        .detach();
    say("it waits");
    Ok(answer.callback("the answer")?)
}

fn cancelling() -> Result<()> {
    let (_trigger, download) = Deferred::<()>::with_canceller(|_trigger| say("the socket closes"));
    let download = download.add_errback(|failure| {
        failure.trap::<Cancelled>()?;
        say(failure);
        Ok(())
    });
    download.cancel();
    Ok(())
}

fn all() -> Result<()> {
    let (triggers, parts): (Vec<_>, Vec<_>) = (0..3).map(|_| Deferred::pair()).unzip();
    let all = gather_results(parts);
    all.add_callback(|values| say(format_args!("{values:?}")))
        .detach();
    for number in [2, 0, 1] {
        say(format_args!("{number} is there"));
        triggers[number].callback(number * 10)?;
    }
    Ok(())
}

fn first() -> Result<()> {
    let clock = VirtualClock::new();
    let slow = sleep(&clock, 5 * SECOND).add_errback(|failure| {
        say(format_args!("the slow one: {failure}"));
        Err::<(), _>(failure)
    });
    race([slow, sleep(&clock, SECOND)])
        .add_callback(|(winner, ())| say(format_args!("number {winner} wins")))
        .detach();
    clock.advance(5 * SECOND);
    Ok(())
}

fn whatever() -> Result<()> {
    settled([succeed(1), fail(Failure::msg("lost")), succeed(3)])
        .add_callback(|results| {
            for result in results {
                match result {
                    Ok(value) => say(value),
                    Err(failure) => say(failure),
                }
            }
        })
        .detach();
    Ok(())
}

fn one_at_a_time() -> Result<()> {
    let (clock, lock) = (VirtualClock::new(), DeferredLock::new());
    for name in ["ann", "bob"] {
        let clock = clock.clone();
        let visit = lock.run(move || {
            say(format_args!("{name} comes in"));
            sleep(&clock, SECOND).add_callback(move |()| say(format_args!("{name} leaves")))
        });
        visit.detach();
    }
    clock.advance(2 * SECOND);
    Ok(())
}

fn two_at_a_time() -> Result<()> {
    let (clock, two) = (VirtualClock::new(), DeferredSemaphore::new(2)?);
    let jobs = (0..4).map(|job| {
        let clock = clock.clone();
        two.run(move || {
            say(format_args!("{job} begins at {:?}", clock.now()));
            sleep(&clock, SECOND)
        })
    });
    gather_results(jobs).detach();
    clock.advance(2 * SECOND);
    Ok(())
}

fn producer_and_consumer() -> Result<()> {
    let jobs = DeferredQueue::new();
    let queue = jobs.clone();
    let consumer = inline_callbacks(async move {
        while let Some(job) = queue.get()?.await? {
            let job: &str = job;
            say(job);
        }
        say("done");
        Ok(())
    });
    consumer.detach();
    for job in [Some("print"), Some("bind"), None] {
        jobs.put(job)?;
    }
    Ok(())
}

fn time() -> Result<()> {
    let clock = VirtualClock::new();
    let (_trigger, answer) = Deferred::<()>::pair();
    let answer = answer
        .add_timeout(2 * SECOND, &clock)
        .add_errback(|failure| {
            failure.trap::<TimedOut>()?;
            say(failure);
            Ok(())
        });
    let now = clock.clone();
    let ticks = LoopingCall::new(move || say(format_args!("tick at {:?}", now.now())));
    ticks.start(&clock, SECOND)?.detach();
    clock.advance(3 * SECOND);
    ticks.stop();
    answer.detach();
    Ok(())
}

fn body() -> Result<()> {
    let clock = VirtualClock::new();
    let same_clock = clock.clone();
    let count = inline_callbacks(async move {
        for number in (1..=3).rev() {
            say(number);
            sleep(&same_clock, SECOND).await?;
        }
        Ok("lift-off")
    });
    count.add_callback(say).detach();
    clock.advance(3 * SECOND);
    Ok(())
}
