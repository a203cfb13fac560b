//! `line_chat`: a conversation, word for word.

use rustix::process::Signal;

use crate::program::Program;
use crate::talk::Talk;

/// Comes in and is asked for a name.
fn guest(address: &str) -> Talk {
    let mut guest = Talk::to(address);
    guest.hears("What's your name?");
    guest
}

/// Comes in under a name that is free.
fn named(address: &str, name: &str) -> Talk {
    let mut guest = guest(address);
    guest.says(name);
    guest.hears(&format!("Welcome, {name}!"));
    guest
}

#[test]
fn guests_hear_one_another_and_not_themselves() {
    let (_server, address) = Program::serve("line_chat");
    let mut ann = named(&address, "ann");
    let mut bob = named(&address, "bob");
    ann.hears("bob has joined.");
    let mut eve = named(&address, "eve");
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
    let ann = named(&address, "ann");
    let mut bob = named(&address, "bob");

    let mut other = guest(&address);
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

/// A guest without a name gets no messages and leaves without an announcement.
#[test]
fn guests_without_a_name_are_not_in_the_room() {
    let (_server, address) = Program::serve("line_chat");
    let mut dora = guest(&address);
    let mut ann = named(&address, "ann");
    let mut bob = named(&address, "bob");
    ann.hears("bob has joined.");
    ann.says("hello");
    bob.hears("<ann> hello");
    dora.says("dora");
    dora.hears("Welcome, dora!");
    ann.hears("dora has joined.");
    bob.hears("dora has joined.");

    drop(guest(&address));
    bob.says("who was that?");
    ann.hears("<bob> who was that?");
}

#[test]
fn it_stops_cleanly_on_a_signal_with_guests_in_the_room() {
    for signal in [Signal::INT, Signal::TERM] {
        let (server, address) = Program::serve("line_chat");
        let _ann = named(&address, "ann");
        let _nobody = guest(&address);
        server.send(signal);
        let ended = server.end().succeeded();
        assert!(ended.lines.is_empty(), "{ended:?}");
    }
}
