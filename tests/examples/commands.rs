//! `command_server`: what it answers, and what it does not put up with.

use rustix::process::Signal;

use crate::program::Program;
use crate::talk::Talk;

fn session(address: &str) -> Talk {
    let mut session = Talk::to(address);
    session.hears("hello; HELP helps");
    session
}

#[test]
fn commands_are_answered() {
    let (_server, address) = Program::serve("command_server");
    let mut session = session(&address);
    session.says("HELP");
    session.hears("HELP, TIME, SLEEP seconds, QUIT");
    session.says("TIME");
    let time = session.line();
    assert!(time.ends_with(" seconds since 1970"), "{time}");
    for nonsense in ["", "help", "WHO"] {
        session.says(nonsense);
        session.hears("what? HELP helps");
    }
    for nonsense in ["SLEEP", "SLEEP long", "SLEEP -1", "SLEEP 61"] {
        session.says(nonsense);
        session.hears("from 0 to 60 seconds, please");
    }
    session.says("QUIT");
    session.hears("bye");
    assert_eq!(session.rest(), "");
}

#[test]
fn a_slow_command_holds_up_its_own_client_only() {
    let (_server, address) = Program::serve("command_server");
    let mut slow = session(&address);
    let mut sleeper = session(&address);
    sleeper.says("SLEEP 60");
    slow.says("SLEEP 1");
    slow.says("WHO");
    for _ in 0..3 {
        let mut other = session(&address);
        other.says("HELP");
        other.hears("HELP, TIME, SLEEP seconds, QUIT");
    }
    slow.hears("good morning");
    slow.hears("what? HELP helps");
}

#[test]
fn who_says_nothing_is_hung_up_on_and_who_waits_is_not() {
    let (_server, address) = Program::serve_with("command_server", &["--max-silence", "1"]);
    let mut silent = session(&address);
    let mut waiting = session(&address);
    waiting.says("SLEEP 2");
    silent.hears("is anybody there? bye");
    assert_eq!(silent.rest(), "");
    waiting.hears("good morning");
    waiting.hears("is anybody there? bye");
    assert_eq!(waiting.rest(), "");
}

#[test]
fn a_line_that_is_too_long_ends_its_session() {
    let (_server, address) = Program::serve_with("command_server", &["--max-length", "10"]);
    let mut session = session(&address);
    session.says("0123456789");
    session.hears("what? HELP helps");
    session.says("01234567890");
    assert_eq!(session.rest(), "");
}

#[test]
fn who_comes_when_it_is_full_is_sent_away() {
    let (server, address) = Program::serve_with("command_server", &["--max-clients", "1"]);
    let mut first = session(&address);
    let mut second = Talk::to(&address);
    second.hears("too many are here, come back later");
    assert_eq!(second.rest(), "");

    first.says("QUIT");
    first.hears("bye");
    assert_eq!(first.rest(), "");
    let _third = session(&address);
    server.send(Signal::TERM);
    server.end().succeeded();
}
