//! SIGINT and SIGTERM, sent to a process of its own: this one, started again.

#![cfg(target_os = "linux")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use deferred::{Deferred, Failure, defer_later};
use reactor::{Reactor, ReactorHandle, react};
use rustix::process::{Pid, Signal, kill_process};

const ROLE: &str = "REACTOR_TEST_SIGNAL_ROLE";

/// What the started process does; nothing when the tests are run as such.
#[test]
fn child() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let reactor = Reactor::new().expect("a reactor");
    match role.as_str() {
        "clean" => {
            reactor.call_when_running(|| println!("ready"));
            let signal = reactor.run_until_signal().expect("it runs");
            println!("stopped by {}", signal.expect("a signal"));
        }
        "stuck" => {
            reactor.call_when_running(|| {
                println!("ready");
                // The worst a callback can do.
                thread::sleep(Duration::from_secs(60));
            });
            reactor.run_until_signal().expect("it runs");
        }
        "twice" => {
            let handle = reactor.handle();
            reactor.call_when_running(move || handle.stop());
            assert_eq!(reactor.run_until_signal().expect("it runs"), None);
            println!("ready");
            // By now the signal has its own effect again.
            thread::sleep(Duration::from_secs(60));
        }
        "react" => {
            let code = react(|reactor: &ReactorHandle| {
                println!("ready");
                // Cancelled, it still has something to do.
                defer_later(reactor, Duration::from_secs(60), || ()).add_errback(|failure| {
                    println!("cleaned up");
                    Err(failure)
                })
            });
            println!("{code:?}");
        }
        other => unreachable!("{other}"),
    }
}

fn start(role: &str) -> (Child, impl Iterator<Item = String>) {
    let mut child = Command::new(std::env::current_exe().expect("a path"))
        .args([
            "--exact",
            "signals::child",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(ROLE, role)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let output = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut lines = output.lines().map_while(Result::ok);
    assert!(lines.any(|line| line.ends_with("ready")), "it never was");
    (child, lines)
}

fn send(child: &Child, signal: Signal) {
    let pid = Pid::from_child(child);
    kill_process(pid, signal).expect("it is there");
}

#[test]
fn the_first_signal_stops_the_loop_cleanly() {
    for (signal, name) in [(Signal::INT, "SIGINT"), (Signal::TERM, "SIGTERM")] {
        let (mut child, mut lines) = start("clean");
        send(&child, signal);
        let told = format!("stopped by {name}");
        assert!(lines.any(|line| line.ends_with(&told)), "{name}");
        assert!(child.wait().expect("it ends").success());
    }
}

#[test]
fn the_second_signal_ends_the_process_even_if_the_loop_is_stuck() {
    let (mut child, _lines) = start("stuck");
    send(&child, Signal::INT);
    // The same signal twice could be merged into one.
    while child.try_wait().expect("a child").is_none() {
        send(&child, Signal::TERM);
        thread::yield_now();
    }
    // Two signals on their way may be handled in either order.
    let code = child.wait().expect("it ends").code();
    assert!(matches!(code, Some(130 | 143)), "{code:?}");
}

#[test]
fn a_signal_cancels_what_react_runs_and_is_the_exit_code() {
    let (mut child, lines) = start("react");
    send(&child, Signal::TERM);
    let lines: Vec<String> = lines.collect();
    assert!(lines.iter().any(|line| line == "cleaned up"), "{lines:?}");
    let code = format!("{:?}", ExitCode::from(128 + 15));
    assert!(lines.contains(&code), "{lines:?}");
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn react_gives_the_exit_code_of_what_it_ran() {
    let code = |code: ExitCode| format!("{code:?}");
    let done = react(|reactor: &ReactorHandle| defer_later(reactor, Duration::ZERO, || ()));
    assert_eq!(code(done), code(ExitCode::SUCCESS));
    let at_once = react(|_: &ReactorHandle| deferred::succeed(ExitCode::from(7)));
    assert_eq!(code(at_once), code(ExitCode::from(7)));
    let failed = react(|_: &ReactorHandle| Err::<(), _>(Failure::msg("no")));
    assert_eq!(code(failed), code(ExitCode::FAILURE));
    // A stop by another part of the program counts as success, too.
    let stopped = react(|reactor: &ReactorHandle| {
        let handle = reactor.clone();
        reactor.call_when_running(move || handle.stop());
        Deferred::<()>::pair().1
    });
    assert_eq!(code(stopped), code(ExitCode::FAILURE));
}

#[test]
fn afterwards_a_signal_has_its_own_effect_again() {
    use std::os::unix::process::ExitStatusExt;

    let (mut child, _lines) = start("twice");
    send(&child, Signal::TERM);
    assert_eq!(child.wait().expect("it ends").signal(), Some(15));
}
