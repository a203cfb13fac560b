//! Datagrams that there is no room for.
//!
//! On this host, UDP is delivered or dropped, never held back. UNIX sockets are.

use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use reactor::{DatagramError, DatagramPort, Reactor, UnixAddress, UnixDatagramOptions};

use crate::datagrams::Recorder;
use crate::support::{Log, reactor, result_of, turn_until};

type Unix = Recorder<UnixAddress>;

const MAX_QUEUED: usize = 7;

/// A socket that is not read from, and where it is.
fn receiver(test: &str) -> (UnixDatagram, UnixAddress) {
    let name = format!("reactor-full-{test}-{}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let _ = std::fs::remove_file(&path);
    let socket = UnixDatagram::bind(&path).expect("the name is free");
    socket.set_nonblocking(true).expect("a socket");
    (socket, path.into())
}

fn remove(address: &UnixAddress) {
    let path = address.as_path().expect("it has a file");
    std::fs::remove_file(path).expect("it is there");
}

fn sender(reactor: &Reactor, log: &Log) -> DatagramPort<Unix> {
    let options = UnixDatagramOptions::new(UnixAddress::Unnamed).max_queued(MAX_QUEUED);
    reactor
        .listen_unix_datagram(options, Unix::new(log))
        .expect("it needs no name")
}

/// Sends numbers until no more are taken; gives how many were.
fn fill(mut send: impl FnMut(&str) -> Result<(), DatagramError>) -> usize {
    for number in 0..100_000 {
        match send(&number.to_string()) {
            Ok(()) => {}
            Err(DatagramError::QueueFull) => return number,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("it is never full");
}

/// Turns the loop until all numbers have come, in order.
#[track_caller]
fn drain(reactor: &Reactor, socket: &UnixDatagram, count: usize) {
    drain_from(reactor, socket, 0, count);
}

#[track_caller]
fn drain_from(reactor: &Reactor, socket: &UnixDatagram, first: usize, count: usize) {
    let mut next = first;
    turn_until(reactor, || {
        let mut buffer = [0; 20];
        while let Ok(length) = socket.recv(&mut buffer) {
            assert_eq!(&buffer[..length], next.to_string().as_bytes());
            next += 1;
        }
        next == count
    });
}

/// How many turns the loop makes in a while.
fn turns_in(reactor: &Reactor, time: Duration) -> usize {
    let end = Instant::now() + time;
    let mut turns = 0;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        reactor.turn(Some(left)).expect("it turns");
        turns += 1;
    }
    turns
}

#[test]
fn what_has_to_wait_is_sent_in_order_when_there_is_room() {
    let (reactor, log) = (reactor(), Log::default());
    let (socket, address) = receiver("connected");
    let port = sender(&reactor, &log);
    port.connect(address.clone()).expect("the peer is bound");
    let taken = fill(|number| port.send(number));
    assert_eq!((port.queued(), port.dropped()), (MAX_QUEUED, 1));
    assert!(matches!(port.send("more"), Err(DatagramError::QueueFull)));
    assert_eq!(port.dropped(), 2);
    assert!(
        turns_in(&reactor, Duration::from_millis(50)) < 30,
        "it spins"
    );
    drain(&reactor, &socket, taken);
    assert_eq!((port.queued(), port.dropped()), (0, 2));
    port.send("after").expect("there is room");
    assert_eq!(port.queued(), 0);
    assert_eq!(log.events(), ["start"]);
    remove(&address);
}

#[test]
fn what_is_sent_later_does_not_overtake_what_waits() {
    let (reactor, log) = (reactor(), Log::default());
    let (socket, address) = receiver("order");
    let port = sender(&reactor, &log);
    let mut taken = 0;
    while port.queued() < 3 {
        port.send_to(taken.to_string(), address.clone())
            .expect("it is not full");
        taken += 1;
    }
    // The peer makes room; the loop has not turned, so it does not know of it.
    let mut buffer = [0; 20];
    for number in 0..2 {
        let length = socket.recv(&mut buffer).expect("it has come");
        assert_eq!(&buffer[..length], number.to_string().as_bytes());
    }
    for _ in 0..2 {
        port.send_to(taken.to_string(), address.clone())
            .expect("it is not full");
        taken += 1;
    }
    assert_eq!(port.queued(), 5);
    drain_from(&reactor, &socket, 2, taken);
    remove(&address);
}

#[test]
fn a_full_receiver_is_waited_for_without_spinning() {
    let (reactor, log) = (reactor(), Log::default());
    let (socket, address) = receiver("unconnected");
    let port = sender(&reactor, &log);
    // The system says that there is room for others.
    let taken = fill(|number| port.send_to(number, address.clone()));
    assert_eq!(port.queued(), MAX_QUEUED);
    assert!(
        turns_in(&reactor, Duration::from_millis(50)) < 30,
        "it spins"
    );
    drain(&reactor, &socket, taken);
    assert_eq!(port.queued(), 0);
    remove(&address);
}

#[test]
fn what_cannot_be_sent_after_all_is_told() {
    let (reactor, log) = (reactor(), Log::default());
    let (socket, address) = receiver("gone");
    let port = sender(&reactor, &log);
    fill(|number| port.send_to(number, address.clone()));
    drop(socket);
    turn_until(&reactor, || log.len() == 1 + MAX_QUEUED);
    assert_eq!(port.dropped(), 1 + MAX_QUEUED as u64);
    assert_eq!(
        log.events()[1],
        "failed: no program listens at the address of the datagram"
    );
    remove(&address);
}

#[test]
fn what_waits_when_the_port_is_closed_is_dropped_and_counted() {
    let (reactor, log) = (reactor(), Log::default());
    let (_socket, address) = receiver("closed");
    let port = sender(&reactor, &log);
    fill(|number| port.send_to(number, address.clone()));
    let counting = port.clone();
    let counted = port
        .stop_listening()
        .add_callback(move |()| Ok((counting.queued(), counting.dropped())));
    let counted = result_of(&reactor, counted).expect("it closes");
    assert_eq!(counted, (0, 1 + MAX_QUEUED as u64));
    assert_eq!(log.events(), ["start", "stop: stopped"]);
    remove(&address);
}

#[test]
fn nothing_waits_if_nothing_may() {
    let (reactor, log) = (reactor(), Log::default());
    let (_socket, address) = receiver("nothing");
    let options = UnixDatagramOptions::new(UnixAddress::Unnamed).max_queued(0);
    let port = reactor
        .listen_unix_datagram(options, Unix::new(&log))
        .expect("it needs no name");
    fill(|number| port.send_to(number, address.clone()));
    assert_eq!((port.queued(), port.dropped()), (0, 1));
    remove(&address);
}
