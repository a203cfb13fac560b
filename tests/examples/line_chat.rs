//! `line_chat`: a conversation, word for word.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use rustix::process::Signal;

use crate::program::{PATIENCE, Program};

struct Guest(BufReader<TcpStream>);

impl Guest {
    /// Comes in and is asked for a name.
    fn new(address: &str) -> Self {
        let socket = TcpStream::connect(address).expect("somebody listens");
        socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
        let mut guest = Self(BufReader::new(socket));
        guest.hears("What's your name?");
        guest
    }

    /// Comes in under a name that is free.
    fn named(address: &str, name: &str) -> Self {
        let mut guest = Self::new(address);
        guest.says(name);
        guest.hears(&format!("Welcome, {name}!"));
        guest
    }

    fn says(&mut self, line: &str) {
        let line = format!("{line}\r\n");
        self.0
            .get_mut()
            .write_all(line.as_bytes())
            .expect("it fits");
    }

    /// The next thing this guest hears is `expected`.
    #[track_caller]
    fn hears(&mut self, expected: &str) {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line");
        assert_eq!(line, format!("{expected}\r\n"));
    }
}

#[test]
fn guests_hear_one_another_and_not_themselves() {
    let (_server, address) = Program::serve("line_chat");
    let mut ann = Guest::named(&address, "ann");
    let mut bob = Guest::named(&address, "bob");
    ann.hears("bob has joined.");
    let mut eve = Guest::named(&address, "eve");
    ann.hears("eve has joined.");
    bob.hears("eve has joined.");

    ann.says("hello");
    bob.hears("<ann> hello");
    eve.hears("<ann> hello");
    bob.says("hello yourself");
    // The first thing that ann hears: not what she said.
    ann.hears("<bob> hello yourself");
    eve.hears("<bob> hello yourself");

    drop(bob);
    ann.hears("bob has left.");
    eve.hears("bob has left.");
    eve.says("he went");
    ann.hears("<eve> he went");
}

#[test]
fn a_name_is_taken_until_its_guest_leaves() {
    let (_server, address) = Program::serve("line_chat");
    let ann = Guest::named(&address, "ann");
    let mut bob = Guest::named(&address, "bob");

    let mut other = Guest::new(&address);
    for name in ["ann", "bob"] {
        other.says(name);
        other.hears("Name taken, please choose another.");
    }
    other.says("");
    other.hears("What's your name?");
    drop(ann);
    bob.hears("ann has left.");
    other.says("ann");
    other.hears("Welcome, ann!");
    bob.hears("ann has joined.");
}

/// Who has no name yet hears nothing and leaves unnoticed.
#[test]
fn guests_without_a_name_are_not_in_the_room() {
    let (_server, address) = Program::serve("line_chat");
    let mut nobody = Guest::new(&address);
    let mut ann = Guest::named(&address, "ann");
    let mut bob = Guest::named(&address, "bob");
    ann.hears("bob has joined.");
    ann.says("hello");
    bob.hears("<ann> hello");
    nobody.says("nobody");
    nobody.hears("Welcome, nobody!");
    ann.hears("nobody has joined.");
    bob.hears("nobody has joined.");

    drop(Guest::new(&address));
    bob.says("who was that?");
    ann.hears("<bob> who was that?");
}

#[test]
fn it_stops_cleanly_on_a_signal_with_guests_in_the_room() {
    for signal in [Signal::INT, Signal::TERM] {
        let (server, address) = Program::serve("line_chat");
        let _ann = Guest::named(&address, "ann");
        let _nobody = Guest::new(&address);
        server.send(signal);
        let ended = server.end().succeeded();
        assert!(ended.lines.is_empty(), "{ended:?}");
    }
}
