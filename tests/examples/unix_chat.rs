//! `unix_chat` and `unix_chat_guest`: what is said, and files that are shown.

use std::fs;

use rustix::process::Signal;
use tests::Directory;

use crate::program::Program;

fn room(directory: &Directory) -> (Program, String) {
    let socket = directory.path("room");
    let mut room = Program::start("unix_chat", &["--listen", &socket]);
    room.prints(&format!("listening on {socket}"));
    (room, socket)
}

#[test]
fn guests_talk_and_show_files() {
    let directory = Directory::new("examples-unix-chat");
    let (room, socket) = room(&directory);
    let mut ann = Program::start_to_type("unix_chat_guest", &[&socket, "ann"]);
    ann.prints("ann is here");
    let mut bob = Program::start_to_type("unix_chat_guest", &[&socket, "bob"]);
    bob.prints("bob is here");
    ann.prints("bob is here");

    ann.types("hello");
    for guest in [&mut ann, &mut bob] {
        guest.prints("ann: hello");
    }

    let file = directory.path("poem");
    fs::write(&file, "Hope is the thing with feathers\n").expect("a file");
    bob.types(&format!("/show {file}"));
    for guest in [&mut ann, &mut bob] {
        guest.prints(&format!("bob shows {file}"));
        guest.prints("  Hope is the thing with feathers");
    }
    bob.types("/show nothing");
    let said = bob.line();
    assert!(said.starts_with("nothing: No such file"), "{said}");

    bob.finishes();
    let bob = bob.end().succeeded();
    assert!(bob.lines.is_empty(), "{bob:?}");
    ann.types("he went");
    ann.prints("ann: he went");

    // A guest that is in the room when it closes ends, too.
    room.send(Signal::TERM);
    let room = room.end().succeeded();
    assert!(room.lines.is_empty(), "{room:?}");
    let ann = ann.end().succeeded();
    assert!(ann.lines.is_empty(), "{ann:?}");
}

#[test]
fn a_room_that_is_not_there_is_named() {
    let ended = Program::run("unix_chat_guest", &["/no/such/room", "ann"]);
    ended.failed_over("/no/such/room");
}

#[test]
fn a_room_is_opened_once_and_again_after_a_crash() {
    let directory = Directory::new("examples-unix-chat-crash");
    let (crashing, socket) = room(&directory);
    let second = Program::run("unix_chat", &["--listen", &socket]);
    second.failed_over(&socket);
    // Killed: its file stays.
    drop(crashing);
    assert!(fs::exists(&socket).expect("a directory"));
    let (_room, _) = room(&directory);
}
