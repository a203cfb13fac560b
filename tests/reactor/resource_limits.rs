//! Nothing grows without bound, whatever the peer does.

use reactor::WriteLimits;

use crate::support::{
    Count, LineRecorder, Log, Peer, RawRecorder, assert_sleeps, serve, turn_until,
};

#[test]
fn a_line_without_an_end_is_refused_at_the_limit() {
    let log = Log::default();
    let (reactor, address) = serve(LineRecorder::new(&log));
    let mut neighbour = Peer::connect(address);
    let mut peer = Peer::connect(address);
    // A hundred megabytes, if they were taken.
    let chunk = vec![b'x'; 1024 * 1024];
    let mut sent = 0;
    turn_until(&reactor, || {
        if sent < 100 * chunk.len() {
            sent += peer.try_send(&chunk);
        }
        log.is_lost()
    });
    assert!(sent < 20 * chunk.len(), "{sent} bytes were taken");
    assert!(
        log.has("lost: failed: a line is longer than 16384 bytes"),
        "{:?}",
        log.events()
    );
    neighbour.send("unharmed\n");
    turn_until(&reactor, || log.has("received unharmed"));
}

#[test]
fn a_line_of_just_the_limit_is_taken() {
    let log = Log::default();
    let (reactor, address) = serve(LineRecorder::new(&log));
    let mut peer = Peer::connect(address);
    peer.send("x".repeat(16_384));
    peer.send("\r\n");
    turn_until(&reactor, || log.has("received 16384 bytes"));
    peer.send("x".repeat(16_385));
    peer.send("\r\n");
    turn_until(&reactor, || log.is_lost());
}

#[test]
fn a_peer_that_never_reads_is_not_read_from_either() {
    let log = Log::default();
    let count = Count::default();
    let received = count.clone();
    let (reactor, address) = serve(RawRecorder::new(&log).on_received(move |cx, bytes| {
        for _ in bytes {
            received.add();
        }
        cx.write(bytes);
        Ok(())
    }));
    let mut peer = Peer::connect(address);
    let chunk = vec![b'x'; 64 * 1024];
    // Until neither side takes anything more.
    let (mut sent, mut idle) = (0, 0);
    turn_until(&reactor, || {
        let before = (sent, count.get());
        while sent < 400 * chunk.len() {
            match peer.try_send(&chunk) {
                0 => break,
                more => sent += more,
            }
        }
        idle = if before == (sent, count.get()) {
            idle + 1
        } else {
            0
        };
        idle > 20
    });
    assert!(sent < 400 * chunk.len(), "everything was taken");
    let stuck_at = count.get();
    assert_sleeps(&reactor);
    // When it reads after all, everything comes, in order and complete.
    let mut back = 0;
    turn_until(&reactor, || {
        back += peer.receive().expect("it is there").len();
        back == sent
    });
    assert!(count.get() > stuck_at);
    assert_eq!(count.get(), sent);
}

#[test]
fn above_the_hard_limit_the_connection_is_aborted() {
    let log = Log::default();
    let (reactor, address) = serve(RawRecorder::new(&log).on_received(|cx, _| {
        let limits = WriteLimits::default().with_max_buffered(1024 * 1024);
        cx.connection().set_write_limits(limits)?;
        // More than any socket buffer takes.
        for _ in 0..100 {
            cx.write(vec![0; 1024 * 1024]);
        }
        Ok(())
    }));
    let mut neighbour = Peer::connect(address);
    let mut peer = Peer::connect(address);
    peer.send("go");
    turn_until(&reactor, || log.is_lost());
    assert!(log.has("lost: overflow"), "{:?}", log.events());
    drop(peer);
    neighbour.send("go");
    turn_until(&reactor, || log.len() == 6);
}
