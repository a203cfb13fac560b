//! Children: what their protocols hear, and how they end.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::rc::Rc;
use std::time::Duration;

use deferred::assertions::{assert_no_result, failure_of, with_no_unhandled};
use deferred::{Deferred, Failure, Result};
use reactor::{
    ChildFd, Command, Process, ProcessContext, ProcessEnded, ProcessError, ProcessProtocol,
    Reactor, Signal, SpawnError,
};
use rustix::process::{
    Pid, getgid, getpgid, getpgrp, getuid, kill_process_group, test_kill_process,
};

use crate::support::{
    Log, assert_sleeps, never, reactor, result_of, turn_a_few_times, turn_until, wait_until,
};

type Handler = Rc<dyn Fn(&mut ProcessContext<'_, Recorder>) -> Result<()>>;

/// A protocol that notes what it hears, then does as it was told.
#[derive(Clone)]
struct Recorder {
    log: Log,
    received: BTreeMap<i32, Vec<u8>>,
    on_made: Handler,
    on_received: Handler,
    on_lost: Handler,
    on_exited: Handler,
}

impl Recorder {
    fn new(log: &Log) -> Self {
        Self {
            log: log.clone(),
            received: BTreeMap::new(),
            on_made: Rc::new(|_| Ok(())),
            on_received: Rc::new(|_| Ok(())),
            on_lost: Rc::new(|_| Ok(())),
            on_exited: Rc::new(|_| Ok(())),
        }
    }

    fn on_made(
        mut self,
        f: impl Fn(&mut ProcessContext<'_, Self>) -> Result<()> + 'static,
    ) -> Self {
        self.on_made = Rc::new(f);
        self
    }

    fn on_received(
        mut self,
        f: impl Fn(&mut ProcessContext<'_, Self>) -> Result<()> + 'static,
    ) -> Self {
        self.on_received = Rc::new(f);
        self
    }

    fn on_lost(
        mut self,
        f: impl Fn(&mut ProcessContext<'_, Self>) -> Result<()> + 'static,
    ) -> Self {
        self.on_lost = Rc::new(f);
        self
    }

    fn on_exited(
        mut self,
        f: impl Fn(&mut ProcessContext<'_, Self>) -> Result<()> + 'static,
    ) -> Self {
        self.on_exited = Rc::new(f);
        self
    }
}

impl ProcessProtocol for Recorder {
    fn connection_made(&mut self, cx: &mut ProcessContext<'_, Self>) -> Result<()> {
        self.log.note("made");
        Rc::clone(&self.on_made)(cx)
    }

    fn child_data_received(
        &mut self,
        cx: &mut ProcessContext<'_, Self>,
        number: i32,
        data: &[u8],
    ) -> Result<()> {
        let received = self.received.entry(number).or_default();
        received.extend_from_slice(data);
        Rc::clone(&self.on_received)(cx)
    }

    fn child_connection_lost(
        &mut self,
        cx: &mut ProcessContext<'_, Self>,
        number: i32,
    ) -> Result<()> {
        let received = self.received.remove(&number).unwrap_or_default();
        let text = String::from_utf8_lossy(&received);
        self.log.note(match text.len() {
            0 => format!("{number} lost"),
            1..40 => format!("{number} lost after {}", text.trim_end()),
            length => format!("{number} lost after {length} bytes"),
        });
        Rc::clone(&self.on_lost)(cx)
    }

    fn process_exited(
        &mut self,
        cx: &mut ProcessContext<'_, Self>,
        status: Option<ExitStatus>,
    ) -> Result<()> {
        let status = status.expect("SIGCHLD is not ignored");
        self.log.note(format!("exited: {}", tell(status)));
        Rc::clone(&self.on_exited)(cx)
    }

    fn process_ended(&mut self, cx: &mut ProcessContext<'_, Self>, ended: ProcessEnded) {
        assert!(matches!(
            cx.write("too late"),
            Err(ProcessError::NoPipe { number: 0 })
        ));
        self.log.note(match ended.status() {
            Some(status) => format!("ended: {}", tell(status)),
            None => format!("ended: {ended}"),
        });
    }
}

fn tell(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("code {code}"),
        (None, signal) => format!("signal {signal:?}"),
    }
}

fn shell(script: &str) -> Command {
    Command::new("sh").arg("-c").arg(script)
}

#[track_caller]
fn spawn(reactor: &Reactor, command: Command, protocol: Recorder) -> Process<Recorder> {
    reactor
        .spawn_process(command, protocol)
        .expect("there is a shell")
}

fn has_ended(log: &Log) -> bool {
    log.events()
        .last()
        .is_some_and(|last| last.starts_with("ended"))
}

/// What was noted, without regard to the order of what comes in any.
fn sorted(log: &Log) -> Vec<String> {
    let mut events = log.events();
    events.sort();
    events
}

/// Whether there is a process of this number; a zombie is one.
fn exists(pid: u32) -> bool {
    let pid = Pid::from_raw(pid.cast_signed()).expect("a number");
    test_kill_process(pid).is_ok()
}

#[test]
fn a_child_is_written_to_and_read_from() {
    let (reactor, log) = (reactor(), Log::default());
    let protocol = Recorder::new(&log).on_received(|cx| {
        cx.close_stdin();
        assert!(cx.write("x").is_err(), "it is being closed");
        Ok(())
    });
    let process = spawn(&reactor, Command::new("cat"), protocol);
    assert_eq!(log.events(), ["made"], "before spawning returns");
    assert!(exists(process.pid()));
    process.write("hel").expect("it is open");
    process.write("lo").expect("it is open");
    turn_until(&reactor, || has_ended(&log));
    assert_eq!(
        sorted(&log),
        [
            "0 lost",
            "1 lost after hello",
            "2 lost",
            "ended: code 0",
            "exited: code 0",
            "made"
        ]
    );
    assert!(process.is_gone());
    assert!(!exists(process.pid()), "no zombie");
    assert_sleeps(&reactor);
}

#[test]
fn output_errors_and_status_are_told_apart() {
    let (reactor, log) = (reactor(), Log::default());
    let script = "echo to the one; echo to the other >&2; exit 3";
    spawn(&reactor, shell(script), Recorder::new(&log));
    turn_until(&reactor, || has_ended(&log));
    for event in [
        "1 lost after to the one",
        "2 lost after to the other",
        "exited: code 3",
        "ended: code 3",
    ] {
        assert!(log.has(event), "{event}: {:?}", log.events());
    }
}

#[test]
fn standard_handlers_hear_of_standard_pipes() {
    struct Plain(Log);
    impl ProcessProtocol for Plain {
        fn out_received(&mut self, _: &mut ProcessContext<'_, Self>, data: &[u8]) -> Result<()> {
            self.0
                .note(format!("out {}", String::from_utf8_lossy(data)));
            Ok(())
        }
        fn err_received(&mut self, _: &mut ProcessContext<'_, Self>, data: &[u8]) -> Result<()> {
            self.0
                .note(format!("err {}", String::from_utf8_lossy(data)));
            Ok(())
        }
        fn in_connection_lost(&mut self, _: &mut ProcessContext<'_, Self>) -> Result<()> {
            self.0.note("in lost");
            Ok(())
        }
        fn out_connection_lost(&mut self, _: &mut ProcessContext<'_, Self>) -> Result<()> {
            self.0.note("out lost");
            Ok(())
        }
        fn err_connection_lost(&mut self, _: &mut ProcessContext<'_, Self>) -> Result<()> {
            self.0.note("err lost");
            Ok(())
        }
        fn process_ended(&mut self, _: &mut ProcessContext<'_, Self>, _: ProcessEnded) {
            self.0.note("ended");
        }
    }
    let (reactor, log) = (reactor(), Log::default());
    let command = shell("printf one; printf two >&2");
    reactor
        .spawn_process(command, Plain(log.clone()))
        .expect("there is a shell");
    turn_until(&reactor, || has_ended(&log));
    let expected = [
        "ended", "err lost", "err two", "in lost", "out lost", "out one",
    ];
    assert_eq!(sorted(&log), expected);
}

#[test]
fn signals_are_sent_and_told_of() {
    let (reactor, log) = (reactor(), Log::default());
    let process = spawn(&reactor, Command::new("cat"), Recorder::new(&log));
    process.signal(Signal::TERM).expect("it runs");
    turn_until(&reactor, || has_ended(&log));
    assert!(log.has("exited: signal Some(15)") && log.has("ended: signal Some(15)"));
    let told = process.signal(Signal::TERM);
    assert!(matches!(told, Err(ProcessError::Exited)), "{told:?}");
    process.kill();

    let log = Log::default();
    let script = "trap 'echo caught' TERM; echo ready; while :; do read line; done";
    let count = crate::support::Count::default();
    let protocol = Recorder::new(&log).on_received(move |cx| {
        match count.add() {
            1 => cx.signal(Signal::TERM)?,
            _ => cx.kill(),
        }
        Ok(())
    });
    let process = spawn(&reactor, shell(script), protocol);
    assert!(process.signal(Signal::from_number(9999)).is_err());
    turn_until(&reactor, || has_ended(&log));
    assert!(log.has("ended: signal Some(9)"), "{:?}", log.events());
}

#[test]
fn it_has_ended_when_all_pipes_are_closed() {
    let (reactor, log) = (reactor(), Log::default());
    // What it leaves running holds its pipes.
    let script = "exec 3<&0; cat <&3 & exit 5";
    let process = spawn(&reactor, shell(script), Recorder::new(&log));
    turn_until(&reactor, || log.has("exited: code 5"));
    turn_a_few_times(&reactor);
    assert!(!exists(process.pid()), "no zombie");
    assert_eq!(log.events(), ["made", "exited: code 5"]);
    assert!(!process.is_gone());
    assert!(matches!(
        process.signal(Signal::TERM),
        Err(ProcessError::Exited)
    ));
    assert_sleeps(&reactor);
    process.write("still there").expect("it is open");
    process.close_stdin().expect("it is open");
    turn_until(&reactor, || has_ended(&log));
    assert!(log.has("1 lost after still there"));
    assert_eq!(log.events().last().expect("some"), "ended: code 5");
}

#[test]
fn who_does_not_want_to_wait_closes_the_pipes() {
    let (reactor, log) = (reactor(), Log::default());
    let protocol = Recorder::new(&log).on_exited(|cx| {
        cx.lose_connection();
        Ok(())
    });
    spawn(&reactor, shell("exec 3<&0; cat <&3 & exit 5"), protocol);
    turn_until(&reactor, || has_ended(&log));
    assert_eq!(log.events()[..2], ["made", "exited: code 5"]);
    assert_eq!(log.len(), 6);
}

#[test]
fn any_descriptor_can_be_a_pipe() {
    let (reactor, log) = (reactor(), Log::default());
    let protocol = Recorder::new(&log).on_made(|cx| {
        cx.process().write_to_child(7, "order")?;
        cx.process().close_child_fd(7)?;
        Ok(())
    });
    let command = shell("cat <&7 >&9; cat >&4")
        .fd(0, ChildFd::Null)
        .fd(7, ChildFd::Write)
        .fd(9, ChildFd::Read)
        .fd(4, ChildFd::Read);
    let process = spawn(&reactor, command, protocol);
    assert!(matches!(
        process.write("x"),
        Err(ProcessError::NoPipe { number: 0 })
    ));
    assert!(matches!(
        process.write_to_child(9, "x"),
        Err(ProcessError::NoPipe { number: 9 })
    ));
    turn_until(&reactor, || has_ended(&log));
    assert!(log.has("9 lost after order") && log.has("7 lost") && log.has("4 lost"));
    assert!(!log.has("0 lost"));
}

#[test]
fn a_descriptor_can_be_given() {
    let (reactor, log) = (reactor(), Log::default());
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let other = writer.try_clone().expect("a pipe");
    let command = shell("echo to the one; echo to the other >&9; exec 9>&-; cat")
        .fd(1, std::os::fd::OwnedFd::from(writer))
        .fd(9, std::os::fd::OwnedFd::from(other))
        .fd(2, File::create("/dev/null").expect("it is there"));
    let process = spawn(&reactor, command, Recorder::new(&log));
    process.close_stdin().expect("it is open");
    turn_until(&reactor, || has_ended(&log));
    let mut text = String::new();
    // It is at its end: this process has closed what the child was given.
    reader.read_to_string(&mut text).expect("it is there");
    assert_eq!(text, "to the one\nto the other\n");
    assert_eq!(
        sorted(&log),
        ["0 lost", "ended: code 0", "exited: code 0", "made"]
    );
}

#[test]
fn nothing_else_is_inherited() {
    let (reactor, log) = (reactor(), Log::default());
    let program = std::env::current_exe().expect("a path");
    let _open = File::open(&program).expect("it is there");
    let output = shell("ls -l /proc/self/fd").output(&reactor);
    let output = result_of(&reactor, output).expect("it runs");
    let listed = String::from_utf8_lossy(&output.stdout);
    let name = program.to_string_lossy();
    assert!(
        listed.contains("pipe:") && !listed.contains(&*name),
        "{listed}"
    );

    // Nor does one child hold the pipes of another.
    let first = spawn(&reactor, Command::new("cat"), Recorder::new(&log));
    let second = spawn(&reactor, Command::new("cat"), Recorder::new(&log));
    first.close_stdin().expect("it is open");
    turn_until(&reactor, || has_ended(&log));
    assert!(first.is_gone() && !second.is_gone());
    second.kill();
    turn_until(&reactor, || second.is_gone());
}

#[test]
fn the_environment_is_inherited_and_can_be_changed() {
    let reactor = reactor();
    let run = |command: Command| {
        let output = result_of(&reactor, command.output(&reactor)).expect("it runs");
        String::from_utf8(output.stdout).expect("a text")
    };
    let script = "echo \"${PATH:+path}:$COLOUR:$SIZE:$0:$1\"";
    assert_eq!(
        run(shell(script).arg("name").arg("two words")),
        "path:::name:two words\n"
    );
    let command = shell(script).env("COLOUR", "red").envs([("SIZE", "9")]);
    assert_eq!(run(command), "path:red:9:sh:\n");
    let command = shell(script).env("COLOUR", "red").env_remove("COLOUR");
    assert_eq!(run(command), "path:::sh:\n");
    let command = Command::new("/bin/sh")
        .args(["-c", "/usr/bin/env"])
        .env_clear()
        .env("ONLY", "this");
    let environment = run(command);
    assert!(environment.contains("ONLY=this") && !environment.contains("CARGO"));
    assert_eq!(run(Command::new("pwd").current_dir("/")), "/\n");
}

#[test]
fn what_cannot_be_run_says_why() {
    let (reactor, log) = (reactor(), Log::default());
    let kind_of = |command: Command| {
        let error = reactor
            .spawn_process(command, Recorder::new(&log))
            .expect_err("it cannot be run");
        assert!(std::error::Error::source(&error).is_some());
        error.kind()
    };
    assert_eq!(
        kind_of(Command::new("/no/such/program")),
        ErrorKind::NotFound
    );
    assert_eq!(
        kind_of(Command::new("/dev/null")),
        ErrorKind::PermissionDenied
    );
    assert_eq!(
        kind_of(Command::new("true").current_dir("/no/such/folder")),
        ErrorKind::NotFound
    );
    let error = reactor
        .spawn_process(Command::new("/no/such/program"), Recorder::new(&log))
        .expect_err("it cannot be run");
    assert_eq!(error.program(), "/no/such/program");
    for descriptor in [ChildFd::Inherit, ChildFd::Null] {
        let command = Command::new("true").fd(3, descriptor);
        assert_eq!(kind_of(command), ErrorKind::InvalidInput);
    }
    for number in [-1, i32::MAX] {
        let command = Command::new("true").fd(number, ChildFd::Read);
        assert_eq!(kind_of(command), ErrorKind::InvalidInput);
    }
    let handle = reactor.handle();
    drop(reactor);
    assert!(
        handle
            .spawn_process(Command::new("true"), Recorder::new(&log))
            .is_err()
    );
    let failure = failure_of(Command::new("true").output(&handle));
    assert!(failure.is::<SpawnError>());
    assert_eq!(log.len(), 0);
}

#[test]
fn what_waits_to_be_written_is_bounded() {
    let (reactor, log) = (reactor(), Log::default());
    let limit = 1024 * 1024;
    let command = Command::new("cat").max_buffered(limit);
    let process = spawn(&reactor, command, Recorder::new(&log));
    process.pause_reading().expect("it runs");
    process
        .write(vec![b'x'; 3 * limit])
        .expect("a single write may be of any size");
    // What waits is offered to the child first, which takes no more than the pipes hold.
    let too_much = process.write("x");
    assert!(
        matches!(too_much, Err(ProcessError::Overflow { buffered, limit: l }) if buffered > limit && l == limit),
        "{too_much:?}"
    );
    turn_a_few_times(&reactor);
    // The rest waits, and nothing spins.
    let drained = process.drained(0);
    assert_sleeps(&reactor);
    assert_no_result(&drained);
    process.resume_reading().expect("it runs");
    result_of(&reactor, drained).expect("all goes");
    result_of(&reactor, process.drained(0)).expect("it is drained");
    process.close_stdin().expect("it is open");
    turn_until(&reactor, || has_ended(&log));
    let all = format!("1 lost after {} bytes", 3 * limit);
    assert!(log.has(&all), "{:?}", log.events());
    let failure = failure_of(process.drained(0));
    assert!(failure.is::<ProcessError>());
}

#[test]
fn what_waits_is_offered_to_the_child_before_more_is_refused() {
    let (reactor, log) = (reactor(), Log::default());
    // It takes everything, and has nothing to say.
    let process = spawn(
        &reactor,
        Command::new("cat").fd(1, ChildFd::Null).max_buffered(1000),
        Recorder::new(&log),
    );
    // The pipe has room, but the loop does not turn between the writes, so they are buffered.
    for _ in 0..10 {
        process.write([b'x'; 1000]).expect("there is room");
    }
    process.close_stdin().expect("it is open");
    turn_until(&reactor, || has_ended(&log));
}

#[test]
fn who_waits_for_a_pipe_hears_that_it_is_closed() {
    let (reactor, log) = (reactor(), Log::default());
    let process = spawn(&reactor, shell("read line; exit 0"), Recorder::new(&log));
    process
        .write(vec![b'\n'; 1024 * 1024])
        .expect("it is allowed");
    let failure = result_of(&reactor, process.drained(0)).expect_err("it reads one line");
    assert!(matches!(
        failure.check(),
        Some(ProcessError::NoPipe { number: 0 })
    ));
    turn_until(&reactor, || has_ended(&log));
    assert!(log.has("ended: code 0"));
}

#[test]
fn a_child_may_close_its_input_and_run_on() {
    let (reactor, log) = (reactor(), Log::default());
    let protocol = Recorder::new(&log).on_lost(|cx| {
        // Errs when it is closed.
        let _ = cx.process().close_child_fd(3);
        Ok(())
    });
    let command = shell("exec 0<&-; cat <&3").fd(3, ChildFd::Write);
    spawn(&reactor, command, protocol);
    turn_until(&reactor, || has_ended(&log));
    assert_eq!(log.events()[..3], ["made", "0 lost", "3 lost"]);
}

#[test]
fn reading_can_be_paused() {
    let (reactor, log) = (reactor(), Log::default());
    let count = crate::support::Count::default();
    let counted = count.clone();
    let protocol = Recorder::new(&log).on_received(move |cx| {
        counted.add();
        cx.process().pause_reading()?;
        Ok(())
    });
    let process = spawn(&reactor, Command::new("yes"), protocol);
    turn_until(&reactor, || count.get() == 1);
    turn_a_few_times(&reactor);
    assert_sleeps(&reactor);
    assert_eq!(count.get(), 1);
    process.resume_reading().expect("it runs");
    turn_until(&reactor, || count.get() == 2);
    process.kill();
    // Nor does a child that has exited make it spin.
    turn_until(&reactor, || log.has("exited: signal Some(9)"));
    turn_a_few_times(&reactor);
    assert_sleeps(&reactor);
    assert!(!has_ended(&log), "there is something left to read");
    process.lose_connection();
    turn_until(&reactor, || has_ended(&log));
}

#[test]
fn failures_and_panics_of_handlers_close_the_pipes() {
    for panics in [false, true] {
        let (reactor, log) = (reactor(), Log::default());
        let protocol = Recorder::new(&log).on_received(move |_| {
            assert!(!panics, "what a handler may do");
            Err(Failure::msg("what a handler may do"))
        });
        let process = spawn(&reactor, Command::new("cat"), protocol);
        process.write("hello").expect("it is open");
        turn_until(&reactor, || has_ended(&log));
        assert_eq!(log.len(), 6, "{:?}", log.events());
        assert!(log.has("ended: code 0"));
    }
    let (reactor, log) = (reactor(), Log::default());
    let protocol = Recorder::new(&log).on_made(|_| Err(Failure::msg("no")));
    let process = spawn(&reactor, Command::new("cat"), protocol);
    assert!(process.write("x").is_err());
    turn_until(&reactor, || has_ended(&log));
}

#[test]
fn a_child_that_takes_too_long_is_killed() {
    let (reactor, log) = (reactor(), Log::default());
    let command = Command::new("cat").timeout(Duration::from_millis(2));
    spawn(&reactor, command, Recorder::new(&log));
    turn_until(&reactor, || has_ended(&log));
    assert!(log.has("ended: signal Some(9)"), "{:?}", log.events());

    // So is one that has exited, and left something that holds its pipes.
    let log = Log::default();
    let command = shell("sleep 60 & echo $!").timeout(Duration::from_millis(100));
    let process = spawn(&reactor, command, Recorder::new(&log));
    turn_until(&reactor, || has_ended(&log));
    let events = log.events();
    let told = events.iter().find(|event| event.starts_with("1 lost"));
    let left = told.and_then(|told| told.rsplit(' ').next()?.parse().ok());
    if let Some(left) = left.and_then(Pid::from_raw) {
        let _ = rustix::process::kill_process(left, rustix::process::Signal::KILL);
    }
    assert!(process.is_gone());
}

#[test]
fn waiting_and_scheduling_give_the_protocol_back() {
    let (reactor, log) = (reactor(), Log::default());
    let process = spawn(&reactor, Command::new("cat"), Recorder::new(&log));
    let (trigger, answer) = Deferred::pair();
    let (cancelled, never_comes) = Deferred::<()>::pair();
    process
        .post(move |this, cx| {
            this.log.note("posted");
            cx.when(answer, |this, _, answer: Result<u32>| {
                this.log.note(format!("answer {}", answer?));
                Ok(())
            });
            cx.when_or_cancel(never_comes, |_, _, _| never());
            cx.call_later(Duration::from_millis(2), |this, cx| {
                this.log.note("later");
                assert_eq!(cx.process().pid(), cx.pid());
                cx.close_stdin();
            });
        })
        .expect("it is there");
    trigger.callback(7).expect("it is the first");
    with_no_unhandled(|| turn_until(&reactor, || has_ended(&log)));
    assert_eq!(log.events()[..4], ["made", "posted", "answer 7", "later"]);
    assert!(cancelled.is_fired());
    assert!(process.post(|_, _| never()).is_err());
}

#[test]
fn dropping_the_reactor_leaves_the_child_to_itself_and_no_zombie() {
    let (reactor, log) = (reactor(), Log::default());
    let reading = spawn(&reactor, Command::new("cat"), Recorder::new(&log));
    let command = shell("exec sleep 3600")
        .fd(0, ChildFd::Null)
        .fd(1, ChildFd::Null)
        .fd(2, ChildFd::Null);
    let sleeping = spawn(&reactor, command, Recorder::new(&log));
    drop(reactor);
    let ended = "ended: the reactor was stopped";
    assert_eq!(log.events(), ["made", "made", ended, ended]);
    // It is at the end of its input.
    wait_until(|| !exists(reading.pid()));
    assert!(exists(sleeping.pid()));
    let pid = Pid::from_raw(sleeping.pid().cast_signed()).expect("a number");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it is there");
    wait_until(|| !exists(sleeping.pid()));
    assert!(reading.is_gone() && sleeping.is_gone());
}

#[test]
fn stopping_the_reactor_ends_it_too() {
    let (reactor, log) = (reactor(), Log::default());
    let process = spawn(&reactor, Command::new("cat"), Recorder::new(&log));
    let handle = reactor.handle();
    reactor.call_when_running(move || handle.stop());
    reactor.run().expect("it runs");
    assert_eq!(log.events(), ["made", "ended: the reactor was stopped"]);
    wait_until(|| !exists(process.pid()));
}

#[test]
fn many_children_at_once_all_come_back() {
    let reactor = reactor();
    let all = (0..40).map(|n: u8| {
        let number = n.to_string();
        Command::new("sh")
            .args(["-c", "read x; exit $x"])
            .input(number + "\n")
            .output(&reactor)
    });
    let all = deferred::gather_results(all);
    let all = result_of(&reactor, all).expect("all come");
    let codes: Vec<_> = all.iter().map(|output| output.status.code()).collect();
    assert!(codes.into_iter().eq((0..40).map(Some)));
    assert_sleeps(&reactor);
}

#[test]
fn children_are_in_the_group_that_they_are_put_into() {
    let (reactor, log) = (reactor(), Log::default());
    let cat = || Command::new("cat");
    let pid = |process: &Process<Recorder>| Pid::from_raw(process.pid().cast_signed());
    let group = |process: &Process<Recorder>| getpgid(pid(process)).ok();
    let usual = spawn(&reactor, cat(), Recorder::new(&Log::default()));
    assert_eq!(group(&usual), Some(getpgrp()), "that of this process");

    let first = spawn(&reactor, cat().process_group(0), Recorder::new(&log));
    assert_eq!(group(&first), pid(&first), "one of its own");
    let second = Log::default();
    let joining = cat().process_group(first.pid().cast_signed());
    let joined = spawn(&reactor, joining, Recorder::new(&second));
    assert_eq!(group(&joined), pid(&first));

    let all = pid(&first).expect("a number");
    kill_process_group(all, rustix::process::Signal::KILL).expect("they are ours");
    turn_until(&reactor, || has_ended(&log) && has_ended(&second));
    for log in [log, second] {
        assert!(log.has("ended: signal Some(9)"), "{:?}", log.events());
    }
    assert!(!usual.is_gone());
    usual.close_stdin().expect("it is open");
    turn_until(&reactor, || usual.is_gone());
}

#[test]
fn a_child_runs_as_whom_it_is_told_to_if_that_is_allowed() {
    let reactor = reactor();
    let (user, group) = (getuid(), getgid());
    let id = |what: &str, uid: u32, gid: u32| {
        let command = Command::new("id").arg(what).uid(uid).gid(gid);
        let output = result_of(&reactor, command.output(&reactor));
        output.map(|output| {
            String::from_utf8_lossy(&output.stdout)
                .trim_end()
                .to_owned()
        })
    };
    let told = |id: u32| id.to_string();
    let (uid, gid) = (user.as_raw(), group.as_raw());
    assert_eq!(id("-u", uid, gid).expect("it is itself"), told(uid));
    assert_eq!(id("-g", uid, gid).expect("it is itself"), told(gid));

    let (uid, gid) = (uid + 1, gid + 1);
    if user.is_root() {
        assert_eq!(id("-u", uid, gid).expect("root may"), told(uid));
        assert_eq!(id("-g", uid, gid).expect("root may"), told(gid));
    } else {
        let failure = id("-u", uid, gid).expect_err("only root may");
        let error = failure.check::<SpawnError>().expect("it says so");
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    }
}
