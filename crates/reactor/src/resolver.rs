//! Names to addresses, without holding up the loop.
//!
//! The system's resolver blocks, so it is asked in threads: a few at the most,
//! which end when nobody asks. They serve names only, so that no other work can
//! keep a connection from being made.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::thread;

use parking_lot::Mutex;

/// How many names are asked for at the same time.
const MAX_THREADS: usize = 4;

type Answer = Box<dyn FnOnce(io::Result<Vec<SocketAddr>>) + Send>;

struct Question {
    host: String,
    port: u16,
    answer: Answer,
}

#[derive(Default)]
pub(crate) struct Resolver {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    questions: VecDeque<Question>,
    threads: usize,
}

impl Resolver {
    /// Calls `answer`, in another thread, with the addresses of `host`.
    pub(crate) fn look_up(&self, host: String, port: u16, answer: Answer) {
        let mut shared = self.shared.lock();
        shared.questions.push_back(Question { host, port, answer });
        if shared.threads == MAX_THREADS {
            return;
        }
        shared.threads += 1;
        drop(shared);
        let queue = Arc::clone(&self.shared);
        let started = thread::Builder::new()
            .name("resolver".to_owned())
            .spawn(move || answer_questions(&queue));
        if let Err(error) = started {
            let mut shared = self.shared.lock();
            shared.threads -= 1;
            // The other threads would answer it; without any, nobody would.
            let unanswered = (shared.threads == 0).then(|| std::mem::take(&mut shared.questions));
            drop(shared);
            for question in unanswered.into_iter().flatten() {
                (question.answer)(Err(io::Error::new(error.kind(), error.to_string())));
            }
        }
    }
}

impl Drop for Resolver {
    /// Whoever is being asked for is not waited for.
    fn drop(&mut self) {
        let unanswered = std::mem::take(&mut self.shared.lock().questions);
        drop(unanswered);
    }
}

fn answer_questions(queue: &Mutex<Shared>) {
    loop {
        let question = {
            let mut shared = queue.lock();
            match shared.questions.pop_front() {
                Some(question) => question,
                None => {
                    shared.threads -= 1;
                    return;
                }
            }
        };
        let addresses = (question.host.as_str(), question.port)
            .to_socket_addrs()
            .map(Iterator::collect);
        (question.answer)(addresses);
    }
}
