//! A process that has used all its descriptors.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use reactor::{Address, Factory};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tests::wait_for;

use crate::support::{
    Echo, PATIENCE, Server, alone, descriptors, in_a_process, limit_descriptors, memory_tells,
    resident, role,
};

/// What all that came may leave in memory, in bytes: for each, less than what a connection
/// needs.
const SLACK: u64 = 32 * 1024;

const CONNECTIONS: usize = 100;

const NAME: &str = "descriptor_exhaustion::it_turns_away_recovers_and_does_not_spin";

struct Counting(Arc<AtomicUsize>);

impl Factory for Counting {
    type Protocol = Echo;

    fn build_protocol(&mut self, _peer: &Address) -> Option<Echo> {
        Some(Echo)
    }

    fn accept_failed(&mut self, _error: &std::io::Error, _pause: Duration) {
        let times = self.0.fetch_add(1, Ordering::Relaxed);
        // The pause comes to its end all the same.
        assert!(times.is_multiple_of(2), "what a factory may do");
    }
}

#[test]
fn it_turns_away_recovers_and_does_not_spin() {
    if role().as_deref() == Some("server") {
        return serve();
    }
    let _alone = alone();
    let mut server = in_a_process(NAME, "server")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut output = std::io::BufReader::new(server.stdout.take().expect("a pipe"));
    let mut input = server.stdin.take().expect("a pipe");
    let address = read_line_with(&mut output, "listening on ");
    let connect = || {
        let stream = TcpStream::connect(address.as_str()).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream
    };
    let mut ask = |what: &str, prefix: &str| {
        writeln!(input, "{what}").expect("it listens");
        read_line_with(&mut output, prefix)
    };
    let left = ["once", "and again"].map(|_| {
        let served = flood(connect);
        let used: f64 = ask("measure", "used ms ").parse().expect("a number");
        assert!(used < 100.0, "it used {used} ms of a second");
        recover(served, connect);
        let left = ask("empty", "it has ");
        let (descriptors, bytes) = left.split_once(' ').expect("two numbers");
        let number = |text: &str| text.parse::<u64>().expect("a number");
        (number(descriptors), number(bytes))
    });
    // The second time it has what it had after the first.
    assert_eq!(left[0].0, left[1].0);
    let grown = left[1].1.saturating_sub(left[0].1);
    assert!(
        grown <= SLACK || !memory_tells(),
        "it has grown by {grown} bytes"
    );
    drop(input);
    assert!(server.wait().expect("it ends").success());
}

/// Connects more often than it has descriptors for: some are served, which are given, and the
/// others closed.
fn flood(connect: impl Fn() -> TcpStream) -> Vec<TcpStream> {
    let mut all: Vec<_> = (0..CONNECTIONS).map(|_| connect()).collect();
    let mut served = Vec::new();
    let mut turned_away = 0;
    for mut stream in all.drain(..) {
        let mut back = [0; 4];
        let is_served = stream.write_all(b"ping").is_ok() && stream.read_exact(&mut back).is_ok();
        if is_served {
            served.push(stream);
        } else {
            turned_away += 1;
        }
    }
    assert!(served.len() > 10, "{} were served", served.len());
    assert!(turned_away > 10, "{turned_away} were turned away");
    served
}

/// Those that were served still are, and when they go, others find room again.
fn recover(mut served: Vec<TcpStream>, connect: impl Fn() -> TcpStream) {
    let mut back = [0; 4];
    served[0].write_all(b"pong").expect("it is connected");
    served[0].read_exact(&mut back).expect("it is echoed");
    drop(served);
    wait_for("it accepts again", || {
        let mut stream = connect();
        let mut back = [0; 4];
        stream.write_all(b"ping").is_ok() && stream.read_exact(&mut back).is_ok()
    });
}

fn read_line_with(output: &mut impl std::io::BufRead, prefix: &str) -> String {
    loop {
        let mut line = String::new();
        assert_ne!(output.read_line(&mut line).expect("a pipe"), 0, "it ended");
        if let Some((_, rest)) = line.split_once(prefix) {
            return rest.trim_end().to_owned();
        }
    }
}

fn serve() {
    let failures = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&failures);
    let server = Server::start(move || Counting(counting));
    limit_descriptors(48);
    println!("listening on {}", server.address);
    for line in std::io::stdin().lines() {
        if line.expect("a line") == "measure" {
            let used = server.cpu_time_in(Duration::from_secs(1));
            println!("used ms {}", used.as_secs_f64() * 1000.0);
        } else {
            server.wait_until_empty();
            println!("it has {} {}", descriptors(), resident());
        }
    }
    assert!(failures.load(Ordering::Relaxed) > 0, "the factory was told");
    server.wait_until_empty();
    server.stop();
}
