//! Everything at once: eight threads fire, add, cancel and pause.

use std::sync::Arc;

use deferred::sync::{Deferred, DeferredHandle, Trigger};
use parking_lot::Mutex;

use crate::support::{Coded, Count, Numbers, OnDrop, together};

const THREADS: usize = 8;
const CHAINS: usize = 400;
const STEPS: usize = 12;

/// What goes through the chains: its drops are counted.
type Token = OnDrop;

/// One chain, and what threads do things to it with.
struct Chain {
    /// `None` while a thread has taken it out to add a callback.
    end: Mutex<Option<Deferred<Token>>>,
    handle: DeferredHandle,
    trigger: Trigger<Token>,
}

/// What there was, to be compared with what there is to be.
#[derive(Clone, Default)]
struct Counts {
    made: Count,
    dropped: Count,
    added: Count,
    called: Count,
    captured: Count,
    captures_dropped: Count,
}

impl Counts {
    fn token(&self) -> Token {
        self.made.add();
        self.dropped.on_drop()
    }

    /// A callback that counts its call, and something it has captured.
    fn counted(&self) -> impl FnOnce() + Send + 'static {
        self.added.add();
        self.captured.add();
        let called = self.called.clone();
        let captured = self.captures_dropped.on_drop();
        move || {
            called.add();
            drop(captured);
        }
    }

    fn is_even(&self) {
        assert_eq!(self.called.get(), self.added.get(), "each ran once");
        assert_eq!(self.dropped.get(), self.made.get(), "each token went once");
        assert_eq!(self.captures_dropped.get(), self.captured.get());
    }
}

impl Chain {
    fn new(numbers: &mut Numbers, counts: &Counts) -> Self {
        let (trigger, mut deferred) = if numbers.below(2) == 0 {
            Deferred::pair()
        } else {
            let (fires, counts) = (numbers.below(2) == 0, counts.clone());
            Deferred::with_canceller(move |trigger: Trigger<Token>| {
                if fires {
                    let _ = trigger.callback(counts.token());
                }
            })
        };
        let handle = deferred.handle();
        Self {
            end: Mutex::new(Some(deferred)),
            handle,
            trigger,
        }
    }

    /// Adds a callback that runs whatever comes.
    fn add(&self, numbers: &mut Numbers, counts: &Counts, later: &Mutex<Vec<Trigger<Token>>>) {
        let Some(end) = self.end.lock().take() else {
            return;
        };
        let called = counts.counted();
        let added = match numbers.below(4) {
            0 => end.add_both(move |result| {
                called();
                result
            }),
            1 => {
                let counts = counts.clone();
                end.add_both(move |_result| {
                    called();
                    Ok(counts.token())
                })
            }
            2 => end.add_both(move |_result| {
                called();
                Err(Coded(1).into())
            }),
            _ => {
                let (trigger, inner) = Deferred::pair();
                later.lock().push(trigger);
                end.add_both(move |_result| {
                    called();
                    inner
                })
            }
        };
        *self.end.lock() = Some(added);
    }
}

#[test]
fn eight_threads_fire_add_cancel_and_pause() {
    let counts = Counts::default();
    let mut numbers = Numbers::new(99);
    let chains: Arc<Vec<_>> = Arc::new(
        (0..CHAINS)
            .map(|_| Chain::new(&mut numbers, &counts))
            .collect(),
    );
    let later = Arc::new(Mutex::new(Vec::<Trigger<Token>>::new()));
    let shared = (Arc::clone(&chains), Arc::clone(&later), counts.clone());
    together(THREADS, move |thread| {
        let (chains, later, counts) = &shared;
        let mut numbers = Numbers::new(thread);
        let mut pauses = Vec::new();
        for _ in 0..CHAINS * STEPS / THREADS {
            let chain = &chains[numbers.below(CHAINS)];
            match numbers.below(8) {
                0 => drop(chain.trigger.callback(counts.token())),
                1 => chain.handle.cancel(),
                2 => pauses.extend(chain.handle.pause()),
                3 => drop(pauses.pop()),
                4 => {
                    let trigger = later.lock().pop();
                    if let Some(trigger) = trigger {
                        let _ = trigger.callback(counts.token());
                    }
                }
                5 => drop(chain.handle.state()),
                _ => chain.add(&mut numbers, counts, later),
            }
        }
    });
    // What is still unfired, is now; and then all is let go of.
    for chain in chains.iter() {
        let _ = chain.trigger.callback(counts.token());
    }
    let rest = std::mem::take(&mut *later.lock());
    for trigger in rest {
        let _ = trigger.callback(counts.token());
    }
    let chains = Arc::into_inner(chains).expect("the threads are gone");
    for chain in chains {
        let end = chain.end.into_inner().expect("no thread panicked");
        match end.into_result() {
            Ok(result) => drop(result),
            Err(stuck) => panic!("stuck: {stuck:?}"),
        }
    }
    counts.is_even();
    assert!(counts.called.get() > CHAINS, "there was something to see");
}
