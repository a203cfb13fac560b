//! Children with a terminal of their own: what they see of it, what they get from it, and how
//! it ends.

use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt;

use deferred::assertions::failure_of;
use deferred::{Deferred, Failure, Result, Trigger};
use reactor::error_types::{ProcessError, SpawnError};
use reactor::{
    ChildFd, Command, Process, ProcessContext, ProcessEnded, ProcessProtocol, Reactor, WindowSize,
};

use crate::support::{Log, reactor, result_of, turn_until};

/// What a person sees who uses the terminal.
struct Screen {
    log: Log,
    ended: Option<Trigger<ProcessEnded>>,
}

impl ProcessProtocol for Screen {
    fn child_data_received(
        &mut self,
        _cx: &mut ProcessContext<'_, Self>,
        number: i32,
        data: &[u8],
    ) -> Result<()> {
        self.log
            .note(format!("{number}: {}", String::from_utf8_lossy(data)));
        Ok(())
    }

    fn child_connection_lost(
        &mut self,
        _cx: &mut ProcessContext<'_, Self>,
        number: i32,
    ) -> Result<()> {
        self.log.note(format!("lost {number}"));
        Ok(())
    }

    fn process_ended(&mut self, _cx: &mut ProcessContext<'_, Self>, ended: ProcessEnded) {
        let trigger = self.ended.take().expect("it ends once");
        trigger.callback(ended).expect("it is waited for");
    }
}

struct Terminal {
    process: Process<Screen>,
    log: Log,
    ended: Deferred<ProcessEnded>,
}

impl Terminal {
    #[track_caller]
    fn new(reactor: &Reactor, script: &str) -> Self {
        Self::with(reactor, command(script))
    }

    #[track_caller]
    fn with(reactor: &Reactor, command: Command) -> Self {
        let log = Log::default();
        let (trigger, ended) = Deferred::pair();
        let screen = Screen {
            log: log.clone(),
            ended: Some(trigger),
        };
        let process = reactor.spawn_process(command, screen).expect("it runs");
        Self {
            process,
            log,
            ended,
        }
    }

    /// What came from the terminal so far.
    fn text(&self) -> String {
        text(&self.log)
    }

    #[track_caller]
    fn wait_for(&self, reactor: &Reactor, text: &str) {
        turn_until(reactor, || self.text().contains(text));
    }

    #[track_caller]
    fn end(self, reactor: &Reactor) -> (ProcessEnded, String) {
        let ended = result_of(reactor, self.ended).expect("it ends");
        (ended, text(&self.log))
    }
}

fn text(log: &Log) -> String {
    let events = log.events();
    let texts = events.iter().filter_map(|event| event.strip_prefix("1: "));
    texts.collect()
}

fn command(script: &str) -> Command {
    Command::new("sh")
        .args(["-c", script])
        .pty(WindowSize::default())
}

fn code(ended: ProcessEnded) -> Option<i32> {
    ended.status().expect("it is known").code()
}

#[test]
fn it_is_the_controlling_terminal_of_a_session() {
    let reactor = reactor();
    let script = "tty; test -t 0 && test -t 1 && test -t 2 && echo all; stty size </dev/tty; \
                  ps -o sid= -p $$; echo pid $$";
    let terminal = Terminal::new(&reactor, script);
    let pid = terminal.process.pid();
    let log = terminal.log.clone();
    let (ended, text) = terminal.end(&reactor);
    assert_eq!(code(ended), Some(0));
    let lines: Vec<_> = text.split_terminator("\r\n").map(str::trim).collect();
    assert!(lines[0].starts_with("/dev/"), "{lines:?}");
    let pid = pid.to_string();
    let expected = ["all", "24 80", &pid, &format!("pid {pid}")];
    assert_eq!(lines[1..], expected);
    // The end of a terminal is an error of the system's, and no error here.
    let lost: Vec<_> = log.events();
    let lost: Vec<_> = lost.iter().filter(|it| it.starts_with("lost")).collect();
    assert_eq!(lost.len(), 2, "{lost:?}");
}

#[test]
fn its_size_can_be_changed() {
    let reactor = reactor();
    let script = "trap 'echo changed' WINCH; echo ready; read line; stty size";
    let terminal = Terminal::new(&reactor, script);
    terminal.wait_for(&reactor, "ready");
    terminal
        .process
        .set_window_size(WindowSize::new(50, 132))
        .expect("it has one");
    terminal.process.write("\n").expect("it is open");
    let process = terminal.process.clone();
    let (_, text) = terminal.end(&reactor);
    assert!(text.contains("changed\r\n"), "{text:?}");
    // The terminal may echo the line end after what the child prints.
    assert!(text.contains("50 132\r\n"), "{text:?}");
    let late = process.set_window_size(WindowSize::default());
    assert!(matches!(late, Err(ProcessError::Exited)));
}

#[test]
fn a_child_with_pipes_has_no_terminal() {
    let reactor = reactor();
    let terminal = Terminal::with(&reactor, Command::new("cat"));
    let refused = terminal.process.set_window_size(WindowSize::default());
    assert!(matches!(refused, Err(ProcessError::NoTerminal)));
    terminal.process.close_stdin().expect("it is open");
    assert_eq!(code(terminal.end(&reactor).0), Some(0));
}

#[test]
fn ctrl_c_interrupts_it() {
    let reactor = reactor();
    let script = "trap 'echo interrupted; exit 3' INT; echo ready; read line";
    let terminal = Terminal::new(&reactor, script);
    terminal.wait_for(&reactor, "ready");
    terminal.process.write("\x03").expect("it is open");
    let (ended, text) = terminal.end(&reactor);
    assert_eq!(code(ended), Some(3));
    // The terminal may echo `^C` after the signal.
    assert!(text.contains("interrupted\r\n"), "{text:?}");
}

#[test]
fn closing_the_input_types_the_end_of_file() {
    for (typed, expected) in [
        ("one\n", "one\r\n"),
        ("", ""),
        // Within a line, the line is delivered first.
        ("part", "part"),
    ] {
        let reactor = reactor();
        // Without an echo, which may come at any time.
        let terminal = Terminal::new(&reactor, "stty -echo; echo ready; cat; echo done");
        terminal.wait_for(&reactor, "ready\r\n");
        terminal.process.write(typed).expect("it is open");
        terminal.process.close_stdin().expect("it is open");
        let refused = terminal.process.write("more");
        assert!(matches!(refused, Err(ProcessError::NoPipe { number: 0 })));
        let (ended, text) = terminal.end(&reactor);
        assert_eq!(code(ended), Some(0));
        assert_eq!(text, format!("ready\r\n{expected}done\r\n"));
    }
}

#[test]
fn closing_it_hangs_up() {
    let reactor = reactor();
    let terminal = Terminal::new(&reactor, "echo ready; exec sleep 3600");
    terminal.wait_for(&reactor, "ready");
    terminal.process.lose_connection();
    let (ended, _) = terminal.end(&reactor);
    let signal = ended.status().expect("it is known").signal();
    assert_eq!(signal, Some(1), "SIGHUP");
}

/// As under `nohup`: what is ignored is inherited by children.
#[test]
fn it_hangs_up_although_its_parent_ignores_that() {
    let run = r#"trap '' HUP; exec "$0" --exact process_terminals::closing_it_hangs_up"#;
    let this = std::env::current_exe().expect("a path");
    let run = std::process::Command::new("sh")
        .args(["-c", run])
        .arg(this)
        .output();
    let output = run.expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
}

/// A child that echoes has to be read from, or it would take no more.
#[test]
fn what_was_written_is_taken_before_it_hangs_up() {
    let reactor = reactor();
    let terminal = Terminal::new(&reactor, "cat");
    let line = format!("{}\n", "x".repeat(99));
    terminal.process.write(line.repeat(3000)).expect("it fits");
    terminal.process.lose_connection();
    let (_, text) = terminal.end(&reactor);
    let lines = text.matches('\n').count();
    assert!(lines > 2000, "only {lines} lines were echoed");
}

#[test]
fn much_output_comes_whole() {
    let reactor = reactor();
    let output = command("seq 50000").output(&reactor);
    let output = result_of(&reactor, output).expect("it runs");
    let expected: String = (1..=50000).map(|number| format!("{number}\r\n")).collect();
    assert!(output.stdout == expected.as_bytes());
    assert!(output.stderr.is_empty());
}

#[test]
fn output_and_status_work_with_a_terminal() {
    let reactor = reactor();
    // It gets the end of its input.
    let output = command("cat; echo error >&2; exit 5").output(&reactor);
    let output = result_of(&reactor, output).expect("it runs");
    assert_eq!(output.status.code(), Some(5));
    assert_eq!(output.stdout, b"error\r\n");
    let output = command("stty -echo; wc -l")
        .input("one\ntwo\n")
        .output(&reactor);
    let output = result_of(&reactor, output).expect("it runs").stdout;
    let output = String::from_utf8(output).expect("text");
    assert_eq!(output.lines().last(), Some("2"));
    let status = command("test -t 0; test -t 1; exit 6").status(&reactor);
    let status = result_of(&reactor, status).expect("it runs");
    assert_eq!(status.code(), Some(6));
}

#[test]
fn errors_may_come_apart() {
    let reactor = reactor();
    let command = command("echo output; echo error >&2").fd(2, ChildFd::Read);
    let output = result_of(&reactor, command.output(&reactor)).expect("it runs");
    assert_eq!(output.stdout, b"output\r\n");
    assert_eq!(output.stderr, b"error\n");
}

#[test]
fn what_makes_no_sense_with_a_terminal_is_refused() {
    let reactor = reactor();
    let kind = |failure: Failure| failure.check::<SpawnError>().expect("its own error").kind();
    for number in [0, 1] {
        let output = command("true").fd(number, ChildFd::Null).output(&reactor);
        assert_eq!(kind(failure_of(output)), ErrorKind::InvalidInput);
    }
    let other_group = command("true").process_group(1).status(&reactor);
    assert_eq!(kind(failure_of(other_group)), ErrorKind::InvalidInput);
    let own_group = command("true").process_group(0).status(&reactor);
    assert!(result_of(&reactor, own_group).expect("it runs").success());
}

#[test]
fn only_the_child_keeps_it_open() {
    let reactor = reactor();
    let terminal = Terminal::new(&reactor, "tty; read line");
    terminal.wait_for(&reactor, "\r\n");
    let name = terminal.text().trim().to_owned();
    let numbers = std::fs::read_dir("/proc/self/fd").expect("it is there");
    let mut links = numbers.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    assert!(!links.any(|link| link.as_os_str() == &*name), "{name}");
    terminal.process.write("\n").expect("it is open");
    terminal.end(&reactor);
}
