//! Children that are reaped elsewhere: by the system, because `SIGCHLD` is ignored, or by
//! another part of the program. Each test runs in a process of its own.

use std::io::ErrorKind;
use std::process::ExitStatus;
use std::time::Duration;

use deferred::{Deferred, Result, Trigger, gather_results};
use reactor::{
    ChildFd, Command, Process, ProcessContext, ProcessEnded, ProcessError, ProcessProtocol,
    Reactor, Signal, SpawnError, StatusUnknown,
};
use rustix::process::{Pid, WaitOptions, test_kill_process, wait};

use crate::support::{Log, assert_sleeps, reactor, result_of, turn_until, wait_until};

/// Set in such a process.
const ALONE: &str = "REACTOR_TEST_UNWAITED";

/// Runs the test `name` in a process that ignores `SIGCHLD` if it is to, unless this is that.
///
/// It is skipped where `env` cannot ignore a signal.
#[track_caller]
fn in_a_process(name: &str, ignores: bool, test: impl FnOnce()) {
    if std::env::var_os(ALONE).is_some() {
        return test();
    }
    // Of GNU; what is ignored is inherited.
    let output = std::process::Command::new("env")
        .args(ignores.then_some("--ignore-signal=CHLD"))
        .arg(std::env::current_exe().expect("a path"))
        .args(["--exact", &format!("processes_unwaited::{name}")])
        .args(["--test-threads=1", "--nocapture"])
        .env(ALONE, "1")
        .output()
        .expect("it starts");
    if ignores && output.status.code() == Some(125) {
        return;
    }
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let ran = String::from_utf8_lossy(&output.stdout);
    assert!(ran.contains("1 passed"), "{ran}");
}

/// Notes what it hears.
struct Noting {
    log: Log,
    ended: Trigger<ProcessEnded>,
}

impl ProcessProtocol for Noting {
    fn connection_made(&mut self, _: &mut ProcessContext<'_, Self>) -> Result<()> {
        self.log.note("made");
        Ok(())
    }

    fn out_received(&mut self, _: &mut ProcessContext<'_, Self>, data: &[u8]) -> Result<()> {
        self.log.note(String::from_utf8_lossy(data).trim_end());
        Ok(())
    }

    fn process_exited(
        &mut self,
        _: &mut ProcessContext<'_, Self>,
        status: Option<ExitStatus>,
    ) -> Result<()> {
        self.log.note(format!("exited: {status:?}"));
        Ok(())
    }

    fn process_ended(&mut self, _: &mut ProcessContext<'_, Self>, ended: ProcessEnded) {
        self.log.note(ended.to_string());
        self.ended.callback(ended).expect("once");
    }
}

fn spawn(
    reactor: &Reactor,
    command: Command,
    log: &Log,
) -> (Process<Noting>, Deferred<ProcessEnded>) {
    let (trigger, ended) = Deferred::pair();
    let noting = Noting {
        log: log.clone(),
        ended: trigger,
    };
    let process = reactor.spawn_process(command, noting);
    (process.expect("it runs"), ended)
}

/// Waits, without turning the loop, until there is no process of that number.
#[track_caller]
fn wait_until_gone(process: &Process<Noting>) {
    let pid = Pid::from_raw(process.pid().cast_signed()).expect("a number");
    wait_until(|| test_kill_process(pid).is_err());
}

#[test]
fn children_whose_status_is_ignored_are_read_to_their_end() {
    in_a_process(
        "children_whose_status_is_ignored_are_read_to_their_end",
        true,
        || {
            let reactor = reactor();
            for _ in 0..30 {
                let all = (0..10).map(|number: i32| {
                    Command::new("echo")
                        .arg(number.to_string())
                        .output(&reactor)
                        .add_both(move |output| {
                            let failure = output.expect_err("its status is ignored");
                            let unknown = failure.trap::<StatusUnknown>()?;
                            assert_eq!(unknown.stdout, format!("{number}\n").as_bytes());
                            Ok(())
                        })
                });
                result_of(&reactor, gather_results(all)).expect("all statuses are known");
            }
            let failure = result_of(&reactor, Command::new("true").status(&reactor)).unwrap_err();
            assert!(failure.is::<StatusUnknown>(), "{failure}");
            assert_sleeps(&reactor);
        },
    );
}

#[test]
fn the_protocol_of_a_child_whose_status_is_ignored_is_told_all_the_rest() {
    in_a_process(
        "the_protocol_of_a_child_whose_status_is_ignored_is_told_all_the_rest",
        true,
        || {
            let (reactor, log) = (reactor(), Log::default());
            for _ in 0..50 {
                log.clear();
                let (_, ended) = spawn(&reactor, Command::new("echo").arg("hello"), &log);
                let ended = result_of(&reactor, ended).expect("it ends");
                assert_eq!(ended, ProcessEnded::StatusUnknown);
                let mut events = log.events();
                assert_eq!(events[0], "made");
                assert_eq!(
                    events.last().map(String::as_str),
                    Some("the process has ended; its status is unknown")
                );
                events.sort();
                assert_eq!(events[0], "exited: None");
                assert_eq!(events[1], "hello");
                assert_eq!(events.len(), 4);
            }
        },
    );
}

#[test]
fn a_child_that_has_gone_is_not_signalled() {
    in_a_process("a_child_that_has_gone_is_not_signalled", true, || {
        let (reactor, log) = (reactor(), Log::default());
        let (process, ended) = spawn(&reactor, Command::new("cat"), &log);
        process.close_stdin().expect("it is open");
        turn_until(&reactor, || log.len() == 1);
        reactor.turn(Some(Duration::ZERO)).expect("it turns");
        wait_until_gone(&process);
        // The loop has not heard of it, and the number is free.
        for _ in 0..2 {
            let refused = process.signal(Signal::TERM);
            assert!(matches!(refused, Err(ProcessError::Exited)), "{refused:?}");
        }
        result_of(&reactor, ended).expect("it ends");

        let (process, ended) = spawn(&reactor, Command::new("sleep").arg("1000"), &log);
        process.signal(Signal::TERM).expect("it runs");
        result_of(&reactor, ended).expect("it ends");
    });
}

#[test]
fn a_program_that_cannot_be_run_is_an_error_where_statuses_are_ignored() {
    in_a_process(
        "a_program_that_cannot_be_run_is_an_error_where_statuses_are_ignored",
        true,
        || {
            let reactor = reactor();
            let missing = || Command::new("/no/such/program");
            let failure = result_of(&reactor, missing().output(&reactor)).unwrap_err();
            let error = failure.check::<SpawnError>().expect("it has a result");
            assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
            // It is run in another way then.
            let missing = missing().fd(5, ChildFd::Read);
            let failure = result_of(&reactor, missing.output(&reactor)).unwrap_err();
            assert!(failure.is::<SpawnError>(), "{failure}");
        },
    );
}

#[test]
fn a_child_that_somebody_else_has_waited_for_is_read_to_its_end() {
    in_a_process(
        "a_child_that_somebody_else_has_waited_for_is_read_to_its_end",
        false,
        || {
            let (reactor, log) = (reactor(), Log::default());
            let (process, ended) = spawn(&reactor, Command::new("echo").arg("hello"), &log);
            let (pid, _) = wait(WaitOptions::empty())
                .expect("it ends")
                .expect("there is a child");
            assert_eq!(pid.as_raw_nonzero().get().cast_unsigned(), process.pid());
            let refused = process.signal(Signal::TERM);
            assert!(matches!(refused, Err(ProcessError::Exited)), "{refused:?}");
            let ended = result_of(&reactor, ended).expect("it ends");
            assert_eq!(ended, ProcessEnded::StatusUnknown);
            assert!(log.has("hello") && log.has("exited: None"));
        },
    );
}
