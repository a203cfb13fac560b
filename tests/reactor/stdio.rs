//! Standard input and output, and what else may be in their place.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::{OFlags, fcntl_getfl};
#[cfg(target_os = "linux")]
use rustix::pty::{OpenptFlags, openpt, ptsname, unlockpt};

use crate::support::{
    LineRecorder, Log, RawRecorder, assert_sleeps, reactor, turn_a_few_times, turn_until,
};

/// A file without a name.
fn file() -> File {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("stdio-{}-{number}", std::process::id()));
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)
        .expect("a file");
    fs::remove_file(path).expect("it is there");
    file
}

fn file_with(content: &[u8]) -> File {
    let mut file = file();
    file.write_all(content).expect("there is room");
    file.rewind().expect("a file");
    file
}

fn content(mut file: &File) -> Vec<u8> {
    let mut content = Vec::new();
    file.seek(SeekFrom::Start(0)).expect("a file");
    file.read_to_end(&mut content).expect("a file");
    content
}

fn echo(log: &Log) -> RawRecorder {
    RawRecorder::new(log).on_received(|cx, data| {
        cx.write(data);
        Ok(())
    })
}

#[test]
fn a_file_is_read_to_its_end_and_another_is_written() {
    let all: Vec<_> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
    for (given, expected) in [(&all[..], &all[..]), (b"", b"")] {
        let (reactor, log) = (reactor(), Log::default());
        let (input, output) = (file_with(given), file());
        let written = output.try_clone().expect("a file");
        let connection = reactor
            .adopt_pipes(input, output, echo(&log))
            .expect("it can be watched");
        turn_until(&reactor, || connection.is_gone());
        assert_eq!(content(&written), expected);
        let events = log.events();
        assert_eq!(events.first().map(String::as_str), Some("made"));
        assert_eq!(events[events.len() - 2..], ["read closed", "lost: done"]);
        assert!(
            !fcntl_getfl(&written)
                .expect("a file")
                .contains(OFlags::NONBLOCK)
        );
        assert_sleeps(&reactor);
    }
}

#[test]
fn a_file_that_is_paused_is_not_read_and_nothing_spins() {
    let (reactor, log) = (reactor(), Log::default());
    let recorder = LineRecorder::new(&log).on_received(|cx, _| {
        cx.pause_reading();
        Ok(())
    });
    let input = file_with(b"one\ntwo\n");
    let connection = reactor
        .adopt_pipes(input, file(), recorder)
        .expect("it can be watched");
    turn_until(&reactor, || log.has("received one"));
    turn_a_few_times(&reactor);
    assert_sleeps(&reactor);
    assert_eq!(log.events(), ["made", "received one"]);
    connection.resume_reading().expect("it is there");
    turn_until(&reactor, || log.has("received two"));
    connection.resume_reading().expect("it is there");
    turn_until(&reactor, || connection.is_gone());
    assert_eq!(log.events().last().map(String::as_str), Some("lost: done"));
}

#[test]
#[cfg(target_os = "linux")]
fn a_terminal_is_typed_into_and_hung_up() {
    let (reactor, log) = (reactor(), Log::default());
    // A process that another test starts must not keep it.
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let terminal = openpt(flags).expect("a terminal");
    unlockpt(&terminal).expect("it is ours");
    let name = ptsname(&terminal, Vec::new()).expect("it has one");
    let name = name.into_string().expect("it is plain");
    let line = File::options()
        .read(true)
        .write(true)
        .open(name)
        .expect("it was unlocked");
    let recorder = LineRecorder::new(&log).on_received(|cx, line| {
        cx.write_sequence([b"you typed ", line, b"\n"]);
        Ok(())
    });
    let connection = reactor
        .adopt_pipes(line.try_clone().expect("a file"), line, recorder)
        .expect("it can be watched");
    rustix::fs::fcntl_setfl(&terminal, OFlags::NONBLOCK).expect("a terminal");
    let mut terminal = File::from(terminal);
    terminal.write_all(b"hello\n").expect("it fits");
    let mut shown = Vec::new();
    turn_until(&reactor, || {
        let mut buffer = [0; 100];
        match terminal.read(&mut buffer) {
            Ok(length) => shown.extend(&buffer[..length]),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
        }
        shown.ends_with(b"you typed hello\r\n")
    });
    assert_eq!(shown, b"hello\r\nyou typed hello\r\n", "it echoes, too");
    assert!(!connection.is_gone());
    drop(terminal);
    turn_until(&reactor, || connection.is_gone());
    assert!(log.is_lost());
    assert_sleeps(&reactor);
}

/// Set in the process whose standard input and output are files.
const ALONE: &str = "REACTOR_TEST_STDIO";

#[test]
fn standard_input_and_output_may_be_files() {
    if std::env::var_os(ALONE).is_some() {
        return be_an_echo();
    }
    let (input, output) = (file_with(b"what is in the file"), file());
    let status = Command::new(std::env::current_exe().expect("a path"))
        .args(["--exact", "stdio::standard_input_and_output_may_be_files"])
        .args(["--test-threads=1", "--nocapture"])
        .env(ALONE, "1")
        .stdin(input)
        .stdout(output.try_clone().expect("a file"))
        .status()
        .expect("it starts");
    assert!(status.success());
    // Beside what the harness says.
    let written = content(&output);
    let written = String::from_utf8_lossy(&written);
    assert_eq!(
        written.matches("what is in the file").count(),
        1,
        "{written}"
    );
}

fn be_an_echo() {
    let (reactor, log) = (reactor(), Log::default());
    let connection = reactor.stdio(echo(&log)).expect("it can be watched");
    turn_until(&reactor, || connection.is_gone());
    let expected = [
        "made",
        "received what is in the file",
        "read closed",
        "lost: done",
    ];
    assert_eq!(log.events(), expected);
}
