//! What comes of a child, as a Deferred.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use deferred::assertions::{failure_of, failure_result_of};
use deferred::{Cancelled, TimedOut, VirtualClock};
use reactor::{ChildFd, Command, OutputTooLong, ProcessEnded, SpawnError};
use rustix::process::{Pid, test_kill_process};

use crate::support::{reactor, result_of, turn_a_few_times, turn_until, wait_until};

fn shell(script: &str) -> Command {
    Command::new("sh").arg("-c").arg(script)
}

/// A child that runs until it is killed, and writes its process ID first.
fn lasting() -> (Command, std::io::PipeReader) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let command = shell("echo $$ >&3; exec 3>&-; exec sleep 3600").fd(3, OwnedFd::from(writer));
    (command, reader)
}

fn pid_from(mut reader: std::io::PipeReader) -> Pid {
    let mut text = String::new();
    reader.read_to_string(&mut text).expect("it tells");
    let number = text.trim().parse().expect("a number");
    Pid::from_raw(number).expect("a number")
}

#[test]
fn it_gives_output_errors_and_status() {
    let reactor = reactor();
    let output = shell("echo to the one; echo to the other >&2; exit 3").output(&reactor);
    let output = result_of(&reactor, output).expect("it runs");
    assert_eq!(output.stdout, b"to the one\n");
    assert_eq!(output.stderr, b"to the other\n");
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn it_reads_what_it_is_given_and_nothing_else() {
    let reactor = reactor();
    let output = result_of(&reactor, Command::new("cat").output(&reactor)).expect("it runs");
    assert!(output.status.success() && output.stdout.is_empty());
    let input = vec![b'x'; 3 * 1024 * 1024];
    let output = Command::new("cat")
        .input(input.clone())
        .max_buffered(10)
        .output(&reactor);
    let output = result_of(&reactor, output).expect("it runs");
    assert!(output.stdout == input, "{} bytes", output.stdout.len());
    // One that does not read it all is no error.
    let output = Command::new("true").input(input).output(&reactor);
    let output = result_of(&reactor, output).expect("it runs");
    assert!(output.status.success());
}

#[test]
fn cancelling_kills_it() {
    let reactor = reactor();
    let (command, reader) = lasting();
    let output = command.output(&reactor);
    let pid = pid_from(reader);
    output.cancel();
    failure_result_of::<Cancelled, _>(output);
    turn_until(&reactor, || test_kill_process(pid).is_err());

    let (command, reader) = lasting();
    let clock = VirtualClock::new();
    let limit = Duration::from_secs(1);
    let output = command.output(&reactor).add_timeout(limit, &clock);
    let pid = pid_from(reader);
    clock.advance(limit);
    failure_result_of::<TimedOut, _>(output);
    turn_until(&reactor, || test_kill_process(pid).is_err());
    turn_a_few_times(&reactor);
}

#[test]
fn a_time_limit_of_its_own_is_a_signal() {
    let reactor = reactor();
    let output = shell("echo begun; exec sleep 3600")
        .timeout(Duration::from_millis(100))
        .output(&reactor);
    let output = result_of(&reactor, output).expect("it runs");
    assert_eq!(output.status.signal(), Some(9));
}

#[test]
fn output_is_bounded() {
    let reactor = reactor();
    let fits = shell("printf 12345; printf 12345 >&2").max_output(5);
    let output = result_of(&reactor, fits.output(&reactor)).expect("it fits");
    assert_eq!((output.stdout.len(), output.stderr.len()), (5, 5));
    let endless = Command::new("yes").max_output(100_000).output(&reactor);
    let failure = result_of(&reactor, endless).expect_err("it is too long");
    let error = failure.check::<OutputTooLong>().expect("its own error");
    assert_eq!(error.limit, 100_000);
}

#[test]
fn the_status_alone_can_be_asked_for() {
    let reactor = reactor();
    let status = shell("exit 7").status(&reactor);
    let status = result_of(&reactor, status).expect("it runs");
    assert_eq!(status.code(), Some(7));
    // Its input may be given, and its output be something else.
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let status = Command::new("cat")
        .input("given")
        .fd(1, OwnedFd::from(writer))
        .fd(2, ChildFd::Null)
        .status(&reactor);
    assert!(result_of(&reactor, status).expect("it runs").success());
    let mut text = String::new();
    reader.read_to_string(&mut text).expect("it is there");
    assert_eq!(text, "given");
}

/// Whether the child's descriptor `number` is that of this process, as an exit status.
fn is_inherited(number: i32) -> Command {
    let ours = std::fs::metadata(format!("/proc/self/fd/{number}")).expect("it is open");
    let ours = ours.ino();
    shell(&format!(
        "found=$(stat -Lc %i /proc/$$/fd/{number}); test \"$found\" = {ours}"
    ))
}

#[test]
fn a_descriptor_that_was_set_stays_so() {
    let reactor = reactor();
    for number in [0, 1, 2] {
        let default = is_inherited(number).status(&reactor);
        assert!(result_of(&reactor, default).expect("it runs").success());
        for pipe in [ChildFd::Read, ChildFd::Write] {
            let status = is_inherited(number).fd(number, pipe).status(&reactor);
            let status = result_of(&reactor, status).expect("it runs");
            assert_eq!(status.code(), Some(1), "descriptor {number}");
        }
    }
    // With `output`, too.
    let is_pipe = || shell("test -p /dev/stdin").fd(0, ChildFd::Write);
    let output = result_of(&reactor, is_pipe().output(&reactor)).expect("it runs");
    assert!(output.status.success());
}

#[test]
fn a_pipe_that_nothing_is_written_to_ends() {
    let reactor = reactor();
    let command = || shell("cat; cat <&3").fd(3, ChildFd::Write);
    let output = command().fd(0, ChildFd::Write).output(&reactor);
    assert_eq!(result_of(&reactor, output).expect("it runs").stdout, b"");
    let output = command().input("given").output(&reactor);
    let output = result_of(&reactor, output).expect("it runs");
    assert_eq!(output.stdout, b"given");
    let status = command().fd(0, ChildFd::Write).status(&reactor);
    assert!(result_of(&reactor, status).expect("it runs").success());
}

#[test]
fn output_that_is_not_kept_is_not_limited() {
    let reactor = reactor();
    let status = Command::new("head")
        .args(["-c", "300000", "/dev/zero"])
        .fd(1, ChildFd::Read)
        .max_output(10)
        .status(&reactor);
    assert!(result_of(&reactor, status).expect("it runs").success());
}

#[test]
fn input_needs_a_pipe_to_write_to() {
    let reactor = reactor();
    for other in [ChildFd::Null, ChildFd::Inherit, ChildFd::Read] {
        let command = Command::new("cat").fd(0, other).input("lost");
        let failure = failure_of(command.output(&reactor));
        let error = failure.check::<SpawnError>().expect("its own error");
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    }
}

#[test]
fn what_cannot_be_run_fails_the_deferred() {
    let reactor = reactor();
    let failure = failure_of(Command::new("/no/such/program").output(&reactor));
    let error = failure.check::<SpawnError>().expect("its own error");
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    let failure = failure_of(Command::new("/no/such/program").status(&reactor));
    assert!(failure.is::<SpawnError>());
}

#[test]
fn dropping_the_reactor_fails_the_deferred() {
    let reactor = reactor();
    let (command, reader) = lasting();
    let output = command.output(&reactor);
    let pid = pid_from(reader);
    drop(reactor);
    let failure = failure_of(output);
    let ended = failure.check::<ProcessEnded>().expect("it says why");
    assert_eq!(*ended, ProcessEnded::ReactorStopped);
    // It is left to itself.
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it is there");
    wait_until(|| test_kill_process(pid).is_err());
}
