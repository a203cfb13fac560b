//! Records of an open connection: split, joined, changed and cut off at each byte; and garbage in
//! place of a handshake.

use deferred::Result;
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any, prop_assert, proptest};
use reactor::testing::FilterDriver;
use reactor_tls::{TlsClient, TlsErrorKind, TlsServer, TlsVersion};

use crate::certificates::Issuer;
use crate::handshakes::{Sides, kind};

/// Both ends for each version of TLS.
fn of_each_version() -> Vec<(TlsServer, TlsClient)> {
    let issuer = Issuer::new();
    let identity = issuer.identity("localhost");
    let of_version = |version| {
        let server = TlsServer::builder()
            .identity(identity.clone())
            .versions([version]);
        let client = TlsClient::builder().roots(issuer.roots());
        (server.build().unwrap(), client.build().unwrap())
    };
    [TlsVersion::Tls12, TlsVersion::Tls13]
        .map(of_version)
        .into()
}

/// Sends each of `messages` in records of its own; gives what the network gets.
fn records(sides: &mut Sides, messages: &[&[u8]]) -> Vec<u8> {
    for message in messages {
        sides.client.send(message).unwrap();
    }
    sides.client.sent()
}

#[test]
fn records_that_are_split_at_each_byte() {
    let messages: [&[u8]; 4] = [b"a", b"bc", &[b'd'; 150], b"e"];
    let expected = messages.concat();
    for (server, client) in of_each_version() {
        // One connection for all: the next records are sent when these have arrived.
        let mut sides = Sides::new(&client, &server).open();
        let length = records(&mut sides, &messages).len();
        let mut sides = Sides::new(&client, &server).open();
        for at in 0..=length {
            let records = records(&mut sides, &messages);
            assert_eq!(records.len(), length);
            let (one, other) = records.split_at(at);
            sides.server.receive(one).unwrap();
            let mut delivered = sides.server.delivered();
            assert!(expected.starts_with(&delivered), "split at {at}");
            sides.server.receive(other).unwrap();
            delivered.extend(sides.server.delivered());
            assert_eq!(delivered, expected, "split at {at}");
        }
    }
}

#[test]
fn records_that_are_joined_in_pieces_of_each_size() {
    let large: Vec<u8> = (0..40_000_u32).map(|i| (i % 249) as u8).collect();
    let messages: [&[u8]; 5] = [b"a", &large, b"b", &large[..16 * 1024], b"c"];
    let expected = messages.concat();
    for (server, client) in of_each_version() {
        let mut sides = Sides::new(&client, &server).open();
        // Around the sizes at which rustls and the loop read.
        let sizes = [4095, 4096, 4097, 16_383, 16_406, 16_407, 65_536, usize::MAX];
        for size in sizes.into_iter().chain((1..2000).step_by(331)) {
            for piece in records(&mut sides, &messages).chunks(size) {
                sides.server.receive(piece).unwrap();
            }
            assert!(sides.server.delivered() == expected, "pieces of {size}");
        }
    }
}

#[test]
fn a_record_that_is_changed_at_any_byte_delivers_nothing() {
    for (server, client) in of_each_version() {
        let length = records(&mut Sides::new(&client, &server).open(), &[b"hello"]).len();
        for at in 0..length {
            let mut sides = Sides::new(&client, &server).open();
            let mut record = records(&mut sides, &[b"hello"]);
            record[at] ^= 1;
            // A greater length waits for more bytes: then the end is a truncation.
            let outcome = sides.server.receive(&record);
            let outcome = outcome.and_then(|()| sides.server.receive_end());
            assert!(outcome.is_err(), "changed at {at}");
            let delivered = sides.server.delivered();
            // Type and version stand before a record for old software on the way: rustls need not
            // look at them, and what it delivers is as it was sent.
            let is_as_sent = at < 3 && delivered == b"hello";
            assert!(delivered.is_empty() || is_as_sent, "changed at {at}");
        }
    }
}

#[test]
fn a_record_is_not_taken_twice() {
    for (server, client) in of_each_version() {
        let mut sides = Sides::new(&client, &server).open();
        let record = records(&mut sides, &[b"hello"]);
        sides.server.receive(&record).unwrap();
        assert_eq!(sides.server.delivered(), b"hello");
        assert!(sides.server.receive(&record).is_err());
        assert!(sides.server.delivered().is_empty());
    }
}

#[test]
fn a_record_that_is_too_large_is_refused_before_it_has_arrived() {
    for (server, client) in of_each_version() {
        let mut sides = Sides::new(&client, &server).open();
        let length = 16 * 1024 + 2048 + 1_u16;
        let [high, low] = length.to_be_bytes();
        let outcome = sides.server.receive([23, 3, 3, high, low]);
        assert!(outcome.is_err(), "only its header has come");
        assert!(!sides.server.sent().is_empty(), "an alert says so");
    }
}

#[test]
fn a_handshake_that_ends_at_each_byte_is_an_interruption() {
    let ends = |driver: &mut FilterDriver, bytes: &[u8]| -> Result<()> {
        driver.receive(bytes)?;
        assert!(!driver.is_open());
        let ended = driver.receive_end();
        assert!(driver.delivered().is_empty());
        ended
    };
    for (server, client) in of_each_version() {
        for until in 0.. {
            let mut sides = Sides::new(&client, &server);
            let to_server = sides.client.sent();
            let Some(cut_off) = to_server.get(..until).filter(|_| until < to_server.len()) else {
                break;
            };
            let ended = ends(&mut sides.server, cut_off);
            assert_eq!(kind(ended), TlsErrorKind::Interrupted, "server, {until}");
        }
        for until in 0.. {
            let mut sides = Sides::new(&client, &server);
            sides.server.receive(sides.client.sent()).unwrap();
            let to_client = sides.server.sent();
            let Some(cut_off) = to_client.get(..until).filter(|_| until < to_client.len()) else {
                break;
            };
            let ended = ends(&mut sides.client, cut_off);
            assert_eq!(kind(ended), TlsErrorKind::Interrupted, "client, {until}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn garbage_opens_nothing_and_delivers_nothing(
        garbage in vec(any::<u8>(), 0..2000),
        is_handshake: bool,
        size in 1..500_usize,
    ) {
        let (server, client) = crate::certificates::both();
        let client = FilterDriver::new(client.filter("localhost").unwrap()).unwrap();
        let server = FilterDriver::new(server.filter()).unwrap();
        // Half of it begins as a record does.
        let mut bytes = garbage;
        if is_handshake {
            let length = bytes.len() as u16;
            let [high, low] = length.to_be_bytes();
            bytes.splice(0..0, [22, 3, 1, high, low]);
        }
        for mut driver in [client, server] {
            let mut outcome = Ok(());
            for piece in bytes.chunks(size) {
                outcome = outcome.and_then(|()| driver.receive(piece));
            }
            let outcome = outcome.and_then(|()| driver.receive_end());
            prop_assert!(outcome.is_err() && !driver.is_open());
            prop_assert!(driver.delivered().is_empty());
        }
    }

    #[test]
    fn a_handshake_that_is_changed_anywhere_opens_no_false_connection(
        at in 0..2000_usize,
        change in 1..=255_u8,
        is_server_changed: bool,
    ) {
        let (server, client) = crate::certificates::both();
        let mut sides = Sides::new(&client, &server);
        sides.client.send("hello").unwrap();
        let mut outcomes = (Ok(()), Ok(()));
        let mut passed = 0;
        loop {
            let (mut to_server, mut to_client) = (sides.client.sent(), sides.server.sent());
            if to_server.is_empty() && to_client.is_empty() {
                break;
            }
            let changed = if is_server_changed { &mut to_client } else { &mut to_server };
            if let Some(byte) = at.checked_sub(passed).and_then(|at| changed.get_mut(at)) {
                *byte ^= change;
            }
            passed += changed.len();
            if outcomes.1.is_ok() {
                outcomes.1 = sides.server.receive(to_server);
            }
            if outcomes.0.is_ok() {
                outcomes.0 = sides.client.receive(to_client);
            }
        }
        // If both take it for a handshake, the change was behind it, or in what does not count.
        let delivered = sides.server.delivered();
        if outcomes.0.is_ok() && outcomes.1.is_ok() && sides.server.is_open() {
            // A record that is longer now waits for the rest of it.
            let is_whole = delivered == b"hello";
            prop_assert!(is_whole || delivered.is_empty() && sides.server.receive_end().is_err());
        } else {
            prop_assert!(delivered.is_empty() || delivered == b"hello");
        }
    }
}
