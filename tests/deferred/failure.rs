//! `Failure`: asking what it is, and the story it tells.

use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::process::Command;
use std::time::Duration;

use deferred::assertions::capture_unhandled;
use deferred::errors::FailureError;
use deferred::{
    Abandoned, Cancelled, Cooperator, Deferred, Failure, FailureGroup, FirstError, LoopingCall,
    Panicked, TimedOut, Trigger, VirtualClock, fail, gather_results, inline_callbacks, race, sleep,
    succeed,
};

use futures::TryStreamExt;
use futures::stream::FuturesUnordered;

use crate::deep_chains::{MILLION, on_a_small_stack};
use crate::support::{Coded, code, failure, value};

/// An error that has a cause.
#[derive(Debug)]
struct Outer(Coded);

impl fmt::Display for Outer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("outer")
    }
}

impl Error for Outer {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn check_searches_the_causes_and_downcast_ref_does_not() {
    let failure = Failure::new(Outer(Coded(1)));
    assert_eq!(failure.check::<Coded>(), Some(&Coded(1)));
    assert!(failure.is::<Coded>() && failure.is::<Outer>());
    assert!(failure.downcast_ref::<Coded>().is_none());
    assert!(failure.downcast_ref::<Outer>().is_some());
    assert!(failure.check::<fmt::Error>().is_none());
    assert_eq!(failure.chain().count(), 2);
}

#[test]
fn trap_lets_others_go_on_to_the_next_errback() {
    let trapping = |deferred: Deferred<i32>| {
        deferred
            .add_errback(|failure| {
                failure.trap::<fmt::Error>()?;
                Ok(1)
            })
            .add_errback(|failure| Ok(failure.trap::<Coded>()?.0))
    };
    assert_eq!(value(trapping(fail(fmt::Error))), 1);
    assert_eq!(value(trapping(fail(Coded(2)))), 2);
    let unknown = failure(trapping(fail(Failure::msg("other"))));
    assert_eq!(unknown.message(), "other");
}

#[test]
fn display_is_one_line_with_the_causes_and_message_is_without() {
    let failure = Failure::new(Outer(Coded(7)));
    assert_eq!(format!("{failure}"), "outer: error 7");
    assert_eq!(format!("{failure:#}"), "outer: error 7");
    assert_eq!(failure.message(), "outer");
    assert_eq!(failure.as_error().to_string(), "outer");
    let failure = Failure::new(Coded(8));
    assert_eq!(format!("{failure}"), "error 8");
    assert_eq!(failure.message(), "error 8");
}

fn here(line: u32) -> String {
    format!("raised at {}:{line}:", file!())
}

#[test]
fn it_knows_the_place_of_the_question_mark() {
    let first = line!() + 2;
    let deferred = succeed("x").add_callback(|text| {
        let number: i32 = text.parse()?;
        Ok(number)
    });
    let failure = failure(deferred);
    assert_eq!(failure.raised_at().line(), first);
    assert!(format!("{failure:?}").contains(&here(first)), "{failure:?}");
}

#[test]
fn it_knows_the_place_of_fail_and_errback_and_into() {
    let line = line!() + 1;
    let failed = failure(fail::<()>(Coded(1)));
    assert_eq!(failed.raised_at().line(), line);
    assert_eq!(failed.raised_at().file(), file!());

    let (trigger, deferred) = Deferred::<()>::pair();
    let line = line!() + 1;
    trigger.errback(Coded(2)).unwrap();
    assert_eq!(failure(deferred).raised_at().line(), line);

    let line = line!() + 1;
    let made: Failure = Coded(3).into();
    assert_eq!(made.raised_at().line(), line);

    let line = line!() + 1;
    let boxed = Failure::from_box(Box::new(Coded(4)));
    assert_eq!(boxed.raised_at().line(), line);
    assert_eq!(code(&boxed), 4, "a boxed error is found in its box");
}

#[test]
fn a_failure_given_to_errback_keeps_its_place() {
    let line = line!() + 1;
    let made = Failure::new(Coded(1));
    let (trigger, deferred) = Deferred::<()>::pair();
    trigger.errback(made).unwrap();
    assert_eq!(failure(deferred).raised_at().line(), line);
}

#[test]
fn the_debug_form_tells_the_full_story() {
    let raised = line!() + 1;
    let (trigger, deferred) = (fail::<i32>(Outer(Coded(1))), line!() + 1);
    let deferred = (trigger.add_callback(|n| Ok(n + 1)), deferred);
    let failure = failure(deferred.0);
    let story = format!("{failure:?}");
    let expected = [
        "outer".to_owned(),
        "  caused by: error 1".to_owned(),
        format!("  {}", here(raised)),
        format!("  left the stage added at {}:{}:", file!(), deferred.1),
    ];
    let lines: Vec<_> = story.lines().collect();
    assert!(lines.len() >= expected.len(), "{story}");
    for (line, expected) in lines.iter().zip(&expected) {
        assert!(line.starts_with(expected.as_str()), "{story}");
    }
}

#[test]
fn the_trail_keeps_the_first_four_and_the_last_four() {
    for stages in [0, 1, 3, 4, 5, 7, 8, 9, 12, 1000_u32] {
        let (trigger, mut deferred) = Deferred::<i32>::pair();
        let mut lines = Vec::new();
        // Two places in turn, so that the order shows.
        for stage in 0..stages {
            if stage % 3 == 0 {
                deferred = deferred.add_callback(Ok);
                lines.push(line!() - 1);
            } else {
                deferred = deferred.add_callback(|n| Ok(n + 1));
                lines.push(line!() - 1);
            }
        }
        trigger.errback(Coded(1)).unwrap();
        let failure = failure(deferred);
        let trail = failure.stage_trace();
        assert_eq!(trail.count(), u64::from(stages));
        let kept: Vec<_> = trail.places().map(|place| place.line()).collect();
        let expected: Vec<_> = if lines.len() <= 8 {
            lines
        } else {
            [&lines[..4], &lines[lines.len() - 4..]].concat()
        };
        assert_eq!(kept, expected, "{stages} stages");
        let story = format!("{failure:?}");
        let forgotten = story.contains(&format!("… {} more stages", stages.saturating_sub(8)));
        assert_eq!(forgotten, stages > 8, "{story}");
    }
}

#[test]
fn a_shared_failure_notes_no_stages_but_goes_on() {
    let failure_at_first = Failure::new(Coded(1));
    let kept = failure_at_first.clone();
    let deferred = fail::<i32>(failure_at_first).add_callback(Ok);
    assert_eq!(code(&failure(deferred)), 1);
    assert_eq!(kept.stage_trace().count(), 0);
}

#[test]
fn into_error_of_a_sole_owner_is_the_error_itself() {
    let error = Failure::new(Coded(5)).into_error();
    assert_eq!(error.downcast_ref::<Coded>(), Some(&Coded(5)));
}

#[test]
fn into_error_of_a_shared_one_reads_the_same() {
    let failure = Failure::new(Outer(Coded(6)));
    let error = failure.clone().into_error();
    assert_eq!(error.to_string(), "outer");
    let cause = error.source().expect("it has a cause");
    assert_eq!(cause.downcast_ref::<Coded>(), Some(&Coded(6)));
    assert!(failure.is::<Outer>());
}

#[test]
fn question_mark_turns_a_failure_into_a_boxed_error() {
    fn plain() -> Result<(), Box<dyn Error>> {
        Err(Failure::new(Coded(1)))?
    }
    fn sendable() -> Result<(), Box<dyn Error + Send + Sync>> {
        Err(Failure::new(Coded(2)))?
    }
    assert_eq!(plain().unwrap_err().to_string(), "error 1");
    assert_eq!(sendable().unwrap_err().to_string(), "error 2");
}

#[test]
fn a_failure_may_go_to_another_thread() {
    let failure = failure(fail::<()>(Coded(3)));
    let kept = failure.clone();
    let told = std::thread::spawn(move || format!("{failure:?}")).join();
    assert_eq!(told.unwrap(), format!("{kept:?}"));
}

#[test]
fn into_error_gives_the_same_answer_whoever_else_has_it() {
    let failure = Failure::new(Outer(Coded(6)));
    let sole = Failure::new(Outer(Coded(6))).into_error();
    let shared = failure.clone().into_error();
    for error in [&sole, &shared] {
        assert!(error.is::<Outer>() && !error.is::<Coded>());
        assert!(error.downcast_ref::<Outer>().is_some());
        assert_eq!(error.to_string(), "outer");
        let source = error.source().expect("it has one");
        assert_eq!(source.downcast_ref::<Coded>(), Some(&Coded(6)));
        assert_eq!(format!("{error:?}"), format!("{:?}", error.failure()));
    }
    let boxes: [Box<dyn Error + Send + Sync>; 2] = [sole.into(), shared.into()];
    for error in boxes {
        let failed = error.downcast_ref::<FailureError>().expect("as documented");
        assert!(failed.is::<Outer>());
        // And back.
        let again = Failure::from_box(error);
        assert!(again.downcast_ref::<Outer>().is_some());
        assert_eq!(again.check::<Coded>(), Some(&Coded(6)));
        assert!(again.is::<Outer>());
    }
    // As the source of another error.
    let wrapped = Failure::new(Wrapping(failure.into_error()));
    assert!(wrapped.is::<Wrapping>() && wrapped.is::<Outer>() && wrapped.is::<Coded>());
    assert!(wrapped.is::<FailureError>());
}

#[derive(Debug)]
struct Wrapping(FailureError);

impl fmt::Display for Wrapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wrapping")
    }
}

impl Error for Wrapping {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

/// A failure that has left as many stages, and the lines they were added at.
fn travelled(code: i32) -> (Failure, u32) {
    let line = line!() + 1;
    let failed = fail::<()>(Coded(code)).add_callback(|()| Ok(()));
    (failure(failed), line)
}

#[test]
fn what_has_failures_in_it_is_searched() {
    let first = failure(gather_results([succeed(()), fail(Outer(Coded(1)))]));
    for found in [
        first.is::<FirstError>(),
        first.is::<Outer>(),
        first.is::<Coded>(),
        first.trap::<Coded>().is_ok(),
        !first.is::<Cancelled>(),
    ] {
        assert!(found);
    }

    let all = failure(race([
        fail::<()>(Coded(2)),
        fail(Outer(Coded(3))),
        fail(Cancelled::new()),
    ]));
    assert_eq!(all.check::<Coded>(), Some(&Coded(2)), "the first");
    assert!(all.is::<FailureGroup>() && all.is::<Outer>() && all.is::<Cancelled>());
    assert!(all.trap::<Cancelled>().is_ok());
    assert!(all.trap::<Panicked>().is_err());

    // One inside of another, and inside of other errors.
    let nested = failure(gather_results([race([
        fail::<()>(Coded(4)),
        fail(Wrapping(all.into_error())),
    ])]));
    assert!(nested.is::<FirstError>() && nested.is::<Wrapping>() && nested.is::<Cancelled>());
    assert_eq!(nested.check::<Coded>(), Some(&Coded(4)));
    assert!(!nested.is::<Panicked>());
}

#[test]
fn debug_tells_the_story_of_each_member() {
    let ((one, line), (two, _)) = (travelled(1), travelled(2));
    let left = format!("left the stage added at {}:{line}:", file!());
    let raised = format!("raised at {}:{line}:", file!());

    let first = failure(gather_results([fail::<()>(one.clone())]));
    let all = failure(race([fail::<()>(one), fail(two)]));
    let of = |failure: &Failure| {
        let first = failure
            .check::<FirstError>()
            .map(|error| format!("{error:?}"));
        let group = failure
            .check::<FailureGroup>()
            .map(|error| format!("{error:?}"));
        (format!("{failure:?}"), first.or(group).expect("it is one"))
    };
    for (failure, members) in [(&first, &["error 1"][..]), (&all, &["error 1", "error 2"])] {
        let (of_failure, of_error) = of(failure);
        for text in [of_failure, of_error] {
            assert_eq!(text.matches(&left).count(), members.len(), "{text}");
            for (index, member) in members.iter().enumerate() {
                let told = format!("\n  the failure at index {index}: {member}\n    {raised}");
                assert!(text.contains(&told), "{told} is not in {text}");
            }
        }
    }

    // However deep, it ends.
    let mut deep = fail::<Vec<()>>(Coded(3));
    for _ in 0..100 {
        deep = gather_results([deep]).add_callback(|_| Ok(vec![]));
    }
    let text = format!("{:?}", failure(deep));
    assert!(
        text.contains('…') && text.len() < 1_000_000,
        "{}",
        text.len()
    );
}

#[test]
fn a_panic_names_the_place_where_the_user_gave_the_code() {
    let line = line!() + 1;
    let body: Deferred<()> = inline_callbacks(async { panic!("in a body") });
    let failed = failure(body);
    assert_eq!(
        (failed.raised_at().file(), failed.raised_at().line()),
        (file!(), line)
    );

    let clock = VirtualClock::new();
    let line = line!() + 1;
    let later = inline_callbacks(in_a_second(clock.clone()));
    clock.advance(Duration::from_secs(1));
    let failed = failure(later);
    assert!(failed.is::<Panicked>());
    assert_eq!(failed.raised_at().line(), line);

    let line = line!() + 1;
    let looping = LoopingCall::new(|| panic!("in a loop"));
    let looped = looping.start(&clock, Duration::from_secs(1)).unwrap();
    assert_eq!(failure(looped).raised_at().line(), line);

    let cooperator = Cooperator::new(&clock);
    let steps = std::iter::from_fn(|| -> Option<()> { panic!("in a step") });
    let line = line!() + 1;
    let done = cooperator.coiterate(steps);
    let steps = std::iter::from_fn(|| -> Option<()> { panic!("in a step") });
    let task = cooperator.cooperate(steps).when_done();
    clock.advance(Duration::from_secs(1));
    assert_eq!(failure(done).raised_at().line(), line);
    assert_eq!(failure(task).raised_at().line(), line + 2);
}

async fn in_a_second(clock: VirtualClock) -> deferred::Result<()> {
    sleep(&clock, Duration::from_secs(1)).await?;
    panic!("later")
}

/// Tells the child process that it is one.
const IS_CHILD: &str = "DEFERRED_TEST_BACKTRACES";

#[test]
fn what_was_asked_for_has_no_backtrace() {
    if std::env::var_os(IS_CHILD).is_some() {
        let (_trigger, cancelled) = Deferred::<()>::pair();
        cancelled.cancel();
        assert!(failure(cancelled).backtrace().is_none(), "Cancelled");
        let (_trigger, asked) = Deferred::<()>::with_canceller(|_trigger| {});
        asked.cancel();
        assert!(failure(asked).backtrace().is_none(), "Cancelled, asked");
        let (trigger, abandoned) = Deferred::<()>::pair();
        drop(trigger);
        assert!(failure(abandoned).backtrace().is_none(), "Abandoned");
        let clock = VirtualClock::new();
        let (_trigger, late) = Deferred::<()>::pair();
        let late = late.add_timeout(Duration::from_secs(1), &clock);
        let worked = Cooperator::new(&clock).coiterate(std::iter::repeat_with(|| ()));
        worked.cancel();
        clock.advance(Duration::from_secs(1));
        assert!(failure(late).backtrace().is_none(), "TimedOut");
        assert!(failure(worked).backtrace().is_none(), "Cancelled, a task");
        let own: [Failure; 4] = [
            Failure::new(Cancelled::new()),
            Failure::from_box(Box::new(Abandoned::new())),
            TimedOut::new(Duration::ZERO).into(),
            failure(fail::<()>(Cancelled::new())),
        ];
        assert!(
            own.iter().all(|own| own.backtrace().is_none()),
            "made by the caller"
        );
        assert!(Failure::new(Coded(1)).backtrace().is_some(), "all others");
        return;
    }
    // The environment is read once by a process.
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "failure::what_was_asked_for_has_no_backtrace"])
        .env(IS_CHILD, "1")
        .env("RUST_BACKTRACE", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
}

thread_local! {
    static TRIGGERS: RefCell<Vec<Trigger<()>>> = const { RefCell::new(Vec::new()) };
}

/// Keeps a trigger until the test is over, so that nothing is abandoned.
fn keep(trigger: Trigger<()>) {
    TRIGGERS.with_borrow_mut(|triggers| triggers.push(trigger));
}

#[test]
fn what_the_cancel_of_the_whole_caused_is_minor() {
    let minor = |body: &dyn Fn() -> Deferred<()>| {
        let ((), unhandled) = capture_unhandled(|| {
            let whole = body();
            whole.cancel();
            // A body that awaits a set of futures is woken by the set.
            deferred::driver::run_woken();
            drop(failure(whole));
        });
        let minor = unhandled.iter().filter(|unhandled| unhandled.is_minor());
        (minor.count(), unhandled.len())
    };
    let pending = || {
        let (trigger, deferred) = Deferred::<()>::pair();
        keep(trigger);
        deferred
    };
    let drop_all = |_: Vec<()>| ();
    let gathered = || gather_results([pending(), pending(), pending()]).add_callback(drop_all);
    assert_eq!(minor(&gathered), (2, 2));
    let with_canceller = || {
        let (trigger, deferred) = Deferred::<()>::with_canceller(|_trigger| {});
        keep(trigger);
        gather_results([pending(), deferred]).add_callback(drop_all)
    };
    assert_eq!(minor(&with_canceller), (1, 1));
    let nested = || gather_results([gathered(), gathered()]).add_callback(drop_all);
    assert_eq!(minor(&nested), (5, 5));
    let waiting = || gather_results([pending(), succeed(()).add_callback(move |()| pending())]);
    assert_eq!(minor(&|| waiting().add_callback(drop_all)), (1, 1));

    // Deferreds that a cancelled body drops: two at once, the later one a combination, and
    // one inside of a set of futures.
    let joined = || {
        let (one, two) = (pending(), gathered());
        inline_callbacks(async move {
            let mut both = Box::pin(async { futures::try_join!(one, two) });
            (&mut both).await?;
            Ok(())
        })
    };
    let (minor_ones, all) = minor(&joined);
    assert!(all > 0 && minor_ones == all, "{minor_ones} of {all}");
    let in_a_set = || {
        let set = FuturesUnordered::from_iter([pending(), gathered(), pending()]);
        inline_callbacks(async move { set.try_collect::<()>().await })
    };
    let (minor_ones, all) = minor(&in_a_set);
    assert!(all > 1 && minor_ones == all, "{minor_ones} of {all}");

    // What fails for another reason is not, nor one that was cancelled by itself.
    let fails = || {
        let (trigger, deferred) = Deferred::<()>::with_canceller(|trigger| {
            trigger.errback(Coded(1)).unwrap();
        });
        keep(trigger);
        gather_results([pending(), deferred]).add_callback(drop_all)
    };
    assert_eq!(minor(&fails), (0, 1));
    let ((), unhandled) = capture_unhandled(|| {
        let (_trigger, mut part) = Deferred::<()>::pair();
        let handle = part.handle();
        let whole = gather_results([fail(Coded(1)), part]);
        handle.cancel();
        assert_eq!(
            code(failure(whole).check::<FirstError>().unwrap().failure()),
            1
        );
    });
    assert_eq!(unhandled.len(), 1);
    assert!(!unhandled[0].is_minor());
}

#[test]
fn context_goes_before_the_error_and_keeps_its_story() {
    let line = line!() + 1;
    let failure = fail::<()>(Coded(4)).add_callback(|()| Ok(()));
    let failure = failure.context("reading").context("starting");
    let failure = failure.into_result().unwrap().unwrap_err();
    assert_eq!(failure.to_string(), "starting: reading: error 4");
    assert_eq!(failure.message(), "starting");
    assert_eq!(failure.check::<Coded>(), Some(&Coded(4)));
    assert!(
        failure.downcast_ref::<Coded>().is_none(),
        "it is not the outermost"
    );
    assert_eq!(failure.raised_at().line(), line);
    assert_eq!(failure.stage_trace().count(), 3);
    let story = format!("{failure:?}");
    assert!(
        story.starts_with("starting\n  caused by: reading\n  caused by: error 4\n"),
        "{story}"
    );
}

#[test]
fn context_of_a_shared_failure_leaves_the_other_as_it_is() {
    let failure = Failure::new(Coded(5));
    let with_text = failure.clone().context("once more");
    assert_eq!(failure.to_string(), "error 5");
    assert_eq!(with_text.to_string(), "once more: error 5");
    assert!(with_text.is::<Coded>());
    assert_eq!(with_text.raised_at(), failure.raised_at());
    drop(failure);
    assert!(with_text.context("again").is::<Coded>());
}

#[test]
fn a_million_contexts_are_dropped_on_a_small_stack() {
    on_a_small_stack(|| {
        let (mut own, mut shared) = (Failure::msg("own"), Failure::msg("shared"));
        for _ in 0..MILLION {
            own = own.context("again");
            // While there is a clone, the failure as a whole becomes the source.
            let clone = shared.clone();
            shared = shared.context("again");
            drop(clone);
        }
        drop(own);
        let kept = shared.clone();
        drop(shared);
        assert_eq!(kept.message(), "again");
        drop(kept);
    });
}
