//! Descriptors that are watched.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use reactor::Descriptor;
use socket2::SockRef;

use crate::support::{Count, Log, assert_sleeps, reactor, turn_until};

fn pair() -> (UnixStream, UnixStream) {
    let (near, far) = UnixStream::pair().expect("a pair");
    far.set_nonblocking(true).expect("a socket");
    (near, far)
}

#[test]
fn it_is_called_while_there_is_something_to_read() {
    let (reactor, (mut near, far)) = (reactor(), pair());
    let log = Log::default();
    let note = log.clone();
    let reader = reactor
        .add_reader(far, move |descriptor| {
            let mut bytes = [0; 2];
            let length = rustix::io::read(descriptor, &mut bytes).expect("it is readable");
            note.note(String::from_utf8_lossy(&bytes[..length]));
        })
        .expect("it can be watched");
    near.write_all(b"abc").expect("it fits");
    turn_until(&reactor, || log.len() == 2);
    assert_eq!(log.events(), ["ab", "c"]);

    let mut far = UnixStream::from(reader.remove().expect("it is given back"));
    assert!(reader.remove().is_none());
    near.write_all(b"d").expect("it fits");
    reactor
        .turn(Some(Duration::from_millis(2)))
        .expect("it turns");
    assert_eq!(log.len(), 2, "the descriptor is not watched any more");
    let mut byte = [0];
    far.read_exact(&mut byte).expect("it still works");
    assert_eq!(&byte, b"d");
}

#[test]
fn the_end_is_something_to_read() {
    let (reactor, (near, far)) = (reactor(), pair());
    let count = Count::default();
    let counted = count.clone();
    reactor
        .add_reader(far, move |_| {
            counted.add();
        })
        .expect("it can be watched");
    drop(near);
    turn_until(&reactor, || count.get() == 1);
}

#[test]
fn a_reader_removed_by_another_in_the_same_turn_is_not_called() {
    let reactor = reactor();
    let count = Count::default();
    let others = Rc::new(RefCell::new(Vec::<Descriptor>::new()));
    let mut near_ends = Vec::new();
    for _ in 0..2 {
        let (mut near, far) = pair();
        near.write_all(b"x").expect("it fits");
        near_ends.push(near);
        let (counted, all) = (count.clone(), Rc::clone(&others));
        let reader = reactor
            .add_reader(far, move |_| {
                counted.add();
                // The one that is called, and the one that is not.
                for reader in all.borrow().iter() {
                    drop(reader.remove());
                }
            })
            .expect("it can be watched");
        others.borrow_mut().push(reader);
    }
    for _ in 0..3 {
        reactor
            .turn(Some(Duration::from_millis(1)))
            .expect("it turns");
    }
    assert_eq!(count.get(), 1);
    // Both descriptors are closed.
    for mut near in near_ends {
        assert!(near.write_all(b"y").is_err());
    }
}

#[test]
fn what_takes_the_place_of_a_removed_reader_does_not_hear_what_was_for_that() {
    let reactor = reactor();
    let log = Log::default();
    let readers = Rc::new(RefCell::new(Vec::<Descriptor>::new()));
    let quiet = pair();
    let mut near_ends = Vec::new();
    for name in ["first", "second"] {
        let (mut near, far) = pair();
        near.write_all(b"x").expect("it fits");
        near_ends.push(near);
        let (handle, noting) = (reactor.handle(), log.clone());
        let (all, kept) = (Rc::clone(&readers), quiet.0.try_clone());
        let kept = kept.expect("a descriptor");
        let reader = reactor
            .add_reader(far, move |_| {
                noting.note(name);
                // Both are removed. The event of the other one is delivered after a new
                // source has got its place in the registry.
                for reader in all.take() {
                    drop(reader.remove());
                }
                for _ in 0..2 {
                    let quiet = kept.try_clone().expect("a descriptor");
                    let noting = noting.clone();
                    let newcomer = handle.add_reader(quiet, move |_| noting.note("newcomer"));
                    all.borrow_mut().push(newcomer.expect("it can be watched"));
                }
            })
            .expect("it can be watched");
        readers.borrow_mut().push(reader);
    }
    for _ in 0..3 {
        reactor
            .turn(Some(Duration::from_millis(1)))
            .expect("it turns");
    }
    assert_eq!(log.len(), 1, "{:?}", log.events());
}

#[test]
fn a_panic_removes_and_closes_it() {
    let (reactor, (mut near, far)) = (reactor(), pair());
    let reader = reactor
        .add_reader(far, |_| panic!("what a callback may do"))
        .expect("it can be watched");
    near.write_all(b"x").expect("it fits");
    turn_until(&reactor, || near.write_all(b"y").is_err());
    assert!(reader.remove().is_none());
}

#[test]
fn a_descriptor_that_goes_bad_is_told_of_once_and_let_go_of() {
    let (reactor, (mut near, far), log) = (reactor(), pair(), Log::default());
    let noting = log.clone();
    let reader = reactor
        .add_reader(far, move |descriptor| {
            let mut buffer = [0; 10];
            let read = rustix::io::read(descriptor, &mut buffer).expect("it is there");
            noting.note(format!("read {read}"));
        })
        .expect("it can be watched");
    let noting = log.clone();
    reader.on_lost(move |error| noting.note(format!("lost: {:?}", error.kind())));
    near.write_all(b"x").expect("it fits");
    drop(near);
    turn_until(&reactor, || !reader.is_watched());
    assert_eq!(
        log.events().last().map(String::as_str),
        Some("lost: BrokenPipe")
    );
    assert_eq!(log.events(), ["read 1", "read 0", "lost: BrokenPipe"]);
    assert_sleeps(&reactor);
}

#[test]
fn a_reader_sees_that_the_peer_broke_off() {
    let reactor = reactor();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let near = TcpStream::connect(listener.local_addr().expect("it is bound"));
    let (far, _) = listener.accept().expect("it was connected");
    let near = near.expect("it listens");
    near.set_nonblocking(true).expect("a socket");
    let log = Log::default();
    let noting = log.clone();
    reactor
        .add_reader(near, move |mut near| {
            let read = near.read(&mut [0; 10]).map_err(|error| error.kind());
            noting.note(format!("{read:?}"));
            near.remove();
        })
        .expect("it can be watched");
    SockRef::from(&far)
        .set_linger(Some(Duration::ZERO))
        .expect("a socket");
    drop(far);
    turn_until(&reactor, || log.len() == 1);
    assert_eq!(log.events(), ["Err(ConnectionReset)"]);
}

#[test]
fn one_without_a_reader_or_writer_is_not_heard_of() {
    let (reactor, (near, far)) = (reactor(), pair());
    let reader = reactor
        .add_reader(far, |_| unreachable!("it was removed"))
        .expect("it can be watched");
    reader.remove_reader();
    drop(near);
    assert_sleeps(&reactor);
    assert!(reader.is_watched());
    assert!(reader.remove().is_some());
}

#[test]
fn one_may_be_written_to_when_there_is_room_and_change_from_inside() {
    let (reactor, (near, far), log) = (reactor(), pair(), Log::default());
    let slot: Rc<RefCell<Option<Descriptor>>> = Rc::default();
    let (own, noting) = (Rc::clone(&slot), log.clone());
    let writer = reactor
        .add_writer(far, move |descriptor| {
            noting.note("writable");
            rustix::io::write(descriptor, b"x").expect("there is room");
            let own = own.borrow().clone().expect("it is there");
            let (reading, noting) = (own.clone(), noting.clone());
            own.remove_writer();
            own.add_reader(move |_| {
                noting.note("readable");
                assert!(reading.remove().is_none(), "it is being called");
            })
            .expect("it is watched");
        })
        .expect("it can be watched");
    slot.replace(Some(writer.clone()));
    let mut near = near;
    turn_until(&reactor, || log.len() == 1);
    near.read_exact(&mut [0]).expect("it was written");
    near.write_all(b"y").expect("it fits");
    turn_until(&reactor, || !writer.is_watched());
    assert_eq!(log.events(), ["writable", "readable"]);
    // It is closed with an unread byte, so the peer gets a reset.
    assert!(near.read(&mut [0]).is_err());
}

#[test]
fn all_that_are_watched_are_given_back() {
    let (reactor, (near, far)) = (reactor(), pair());
    for descriptor in [near, far] {
        reactor
            .add_reader(descriptor, |_| ())
            .expect("it can be watched");
    }
    let port = reactor
        .listen_tcp("127.0.0.1:0", || {
            crate::support::RawRecorder::new(&Log::default())
        })
        .expect("a free port");
    assert_eq!(reactor.remove_all().len(), 2);
    assert!(reactor.remove_all().is_empty());
    assert!(port.is_listening());
}

#[test]
fn a_regular_file_is_always_readable() {
    let file = File::open(std::env::current_exe().expect("a path")).expect("it is there");
    let (reactor, calls) = (reactor(), Count::default());
    let counting = calls.clone();
    let reader = reactor
        .add_reader(file, move |_| {
            counting.add();
        })
        .expect("it can be watched");
    turn_until(&reactor, || calls.get() == 3);
    reader.remove_reader();
    assert_sleeps(&reactor);
    assert_eq!(calls.get(), 3);
    assert!(reader.remove().is_some());
}

#[test]
fn dropping_the_reactor_drops_the_callback_and_closes_the_descriptor() {
    let (reactor, (mut near, far)) = (reactor(), pair());
    let token = Rc::new(Cell::new(0));
    let captured = Rc::clone(&token);
    let reader = reactor
        .add_reader(far, move |descriptor| {
            let _ = (descriptor.as_fd(), captured.get());
        })
        .expect("it can be watched");
    assert_eq!(Rc::strong_count(&token), 2);
    drop(reactor);
    assert_eq!(Rc::strong_count(&token), 1);
    assert!(reader.remove().is_none());
    assert!(near.write_all(b"x").is_err());
}
