//! Peers that reset, stall, trickle, never read, vanish and half-close, all at once,
//! beside one that behaves.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use socket2::SockRef;

use crate::support::{Echo, PATIENCE, Server, alone, descriptors, leaves_no_memory};

const ROUNDS: usize = 60;

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    stream.set_write_timeout(Some(PATIENCE)).expect("a socket");
    stream
}

/// The ways to misbehave.
const WAYS: [fn(SocketAddr) -> Option<TcpStream>; 7] = [
    |address| {
        // Connects and vanishes.
        drop(connect(address));
        None
    },
    |address| {
        // Resets, with something on its way.
        let mut stream = connect(address);
        stream.write_all(&[1; 10_000]).expect("it fits");
        SockRef::from(&stream)
            .set_linger(Some(Duration::ZERO))
            .expect("a socket");
        None
    },
    |address| {
        // Sends one byte at a time, and reads it.
        let mut stream = connect(address);
        for byte in 0..20 {
            let mut back = [0];
            stream.write_all(&[byte]).expect("it fits");
            stream.read_exact(&mut back).expect("it is echoed");
            assert_eq!(back, [byte]);
        }
        None
    },
    |address| {
        // Sends as much as is taken, and never reads.
        let mut stream = connect(address);
        stream.set_nonblocking(true).expect("a socket");
        while stream.write(&[2; 64 * 1024]).is_ok() {}
        Some(stream)
    },
    |address| {
        // Says nothing.
        Some(connect(address))
    },
    |address| {
        // Finishes first, and still gets all of it.
        let mut stream = connect(address);
        stream.write_all(&[3; 5_000]).expect("it fits");
        stream.shutdown(Shutdown::Write).expect("it is connected");
        let mut back = Vec::new();
        stream.read_to_end(&mut back).expect("it comes to an end");
        assert_eq!(back, [3; 5_000]);
        None
    },
    |address| {
        // Goes while its answer is being sent.
        let mut stream = connect(address);
        stream.write_all(&[4; 100_000]).ok();
        let mut some = [0; 1000];
        stream.read_exact(&mut some).expect("it begins");
        None
    },
];

#[test]
fn the_one_that_behaves_does_not_notice() {
    let _alone = alone();
    let before = descriptors();
    let server = Server::start(|| || Echo);
    let with_server = descriptors();
    leaves_no_memory(|| {
        drop(storm(&server));
        server.wait_until_empty();
        assert_eq!(descriptors(), with_server);
    });
    let kept = storm(&server);
    // Some peers do not read, some do not write: the loop does not spin for either.
    let used = server.cpu_time_in(Duration::from_secs(1));
    assert!(used < Duration::from_millis(50), "it used {used:?}");
    drop(kept);
    server.wait_until_empty();
    server.stop();
    assert_eq!(descriptors(), before);
}

/// All of them misbehave at once, beside one that behaves; gives those that stay.
fn storm(server: &Server) -> Vec<TcpStream> {
    let address = server.address;
    let crowd: Vec<_> = WAYS
        .iter()
        .map(|way| {
            thread::spawn(move || {
                let kept = (0..ROUNDS).filter_map(|_| way(address));
                kept.collect::<Vec<_>>()
            })
        })
        .collect();
    let mut good = connect(address);
    for round in 0..2_000_u32 {
        let sent = round.to_le_bytes();
        let mut back = [0; 4];
        good.write_all(&sent).expect("it fits");
        good.read_exact(&mut back).expect("it is echoed");
        assert_eq!(back, sent);
    }
    let mut kept: Vec<_> = crowd
        .into_iter()
        .flat_map(|peer| peer.join().expect("it went as it was to"))
        .collect();
    assert_eq!(kept.len(), 2 * ROUNDS);
    kept.push(good);
    kept
}
