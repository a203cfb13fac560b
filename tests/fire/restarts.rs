//! Restarts under load: the next server has the same listening socket, and no answer is lost.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tests::{listener, wait_for};

use crate::support::{Client, Kind, Server};

/// How many restarts are made, unless `FIRE_RESTARTS` says another number.
const RESTARTS: usize = 5;

/// Leaves idle connections to their clients for longer than a restart takes.
const KIND: Kind = Kind {
    descriptors: None,
    is_strict: false,
    idle_grace: 30,
    patience: 0,
};

/// Clients that ask again and again, and panic if an answer is lost.
pub(crate) struct Load {
    is_over: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<usize>>,
}

impl Load {
    pub(crate) fn start(address: SocketAddr) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let threads = (0..4)
            .map(|number| {
                let is_over = Arc::clone(&is_over);
                thread::spawn(move || ask_until(&is_over, address, number))
            })
            .collect();
        Self { is_over, threads }
    }

    /// Ends it; gives the number of answers.
    pub(crate) fn end(self) -> usize {
        self.is_over.store(true, Ordering::Relaxed);
        let joined = self.threads.into_iter().map(thread::JoinHandle::join);
        joined
            .map(|answers| answers.expect("no answer is lost"))
            .sum()
    }
}

fn ask_until(is_over: &AtomicBool, address: SocketAddr, number: usize) -> usize {
    let mut client = Client::new(address);
    let mut answers = 0;
    while !is_over.load(Ordering::Relaxed) {
        let (path, length) = match (answers + number) % 4 {
            0 => ("/slow", 5),
            1 => ("/large", 200_000),
            _ => ("/", 5),
        };
        match client.get(path) {
            Ok(answer) => {
                assert_eq!(answer.status, 200, "{path}, after {answers}");
                assert_eq!(answer.body.len(), length, "{path}, after {answers}");
            }
            Err(error) => panic!("{path}, after {answers} answers: {error}"),
        }
        answers += 1;
    }
    answers
}

/// Restarts the server that `front` is in front of, and that has the socket `listener`.
pub(crate) fn restart_under_load(front: impl FnOnce(SocketAddr) -> SocketAddr) {
    let restarts = std::env::var("FIRE_RESTARTS").map_or(RESTARTS, |count| {
        count.parse().expect("FIRE_RESTARTS is a number")
    });
    let (listener, address) = listener();
    let mut server = Server::start(&listener, KIND);
    let load = Load::start(front(address));
    for left in (0..restarts).rev() {
        // The load reaches the server first, so that each restart has something to lose.
        wait_for("some connections", || server.figures()[0] > 0);
        let kind = match left {
            // It ends after the load, and has no request to wait for.
            0 => Kind {
                idle_grace: 1,
                ..KIND
            },
            _ => KIND,
        };
        let next = Server::start(&listener, kind);
        server.terminate();
        std::mem::replace(&mut server, next).wait();
    }
    let answers = load.end();
    println!("{restarts} restarts, {answers} answers");
    assert!(answers > restarts, "{answers}");
    server.terminate();
    server.wait();
}

#[test]
fn a_restart_under_load_loses_no_answer() {
    restart_under_load(|address| address);
}
