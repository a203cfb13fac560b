//! `all_cores`: several reactors behind one port.

use std::collections::BTreeSet;
use std::time::Instant;

use rustix::process::Signal;

use crate::program::{PATIENCE, Program};
use crate::talk::Talk;

#[test]
fn each_reactor_gets_its_share() {
    let (mut server, address) = Program::serve_with("all_cores", &["--reactors", "2"]);
    server.prints("2 reactors");
    let start = Instant::now();
    let mut seen = BTreeSet::new();
    let mut talks = Vec::new();
    while seen.len() < 2 {
        assert!(start.elapsed() < PATIENCE, "only {seen:?} got any");
        let mut talk = Talk::to(&address);
        talk.says("hello");
        seen.insert(talk.line());
        talks.push(talk);
    }
    let expected = ["reactor 0: hello", "reactor 1: hello"];
    assert!(seen.iter().eq(expected), "{seen:?}");

    server.wait_until_it_catches(Signal::INT);
    server.send(Signal::INT);
    server.end().succeeded();
}

#[test]
fn there_is_one_for_each_core_without_being_asked() {
    let (mut server, _address) = Program::serve("all_cores");
    let cores = std::thread::available_parallelism().expect("at least one");
    server.prints(&format!("{cores} reactors"));
    server.wait_until_it_catches(Signal::TERM);
    server.send(Signal::TERM);
    server.end().succeeded();
}
