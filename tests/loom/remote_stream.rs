//! The two sides of a `RemoteStream` of `reactor`, in every order that there is: no wait is left
//! without its wake-up, and no byte is lost.
//!
//! The file under test is compiled here, with a lock of `loom`.

#![cfg(deferred_loom)]

use std::future::poll_fn;
use std::io::IoSlice;
use std::sync::Arc;
use std::task::Poll;

use loom::future::block_on;
use loom::thread;

use self::shared::{CAPACITY, NoRoom, Shared, Writer};

#[path = "../../crates/reactor/src/byte_stream/remote/shared.rs"]
#[allow(dead_code, reason = "what only a `Debug` uses")]
mod shared;

/// In place of the lock of `reactor`, with the methods that it has.
mod lock {
    use loom::sync::MutexGuard;

    pub(super) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(super) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(super) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().expect("no model panics under the lock")
        }
    }
}

/// Why the connection is over.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Lost;

/// Tries the orders in which a thread is interrupted at most three times, where it does not wait:
/// without the bound, those of wakers and locks together take minutes.
fn model(f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(f);
}

fn both() -> (Arc<Shared<Lost>>, Arc<Shared<Lost>>) {
    let shared = Arc::new(Shared::new());
    (Arc::clone(&shared), shared)
}

/// Reads to the end: the number of bytes, and how they end.
fn read_all(stream: &Shared<Lost>) -> (usize, Result<(), Lost>) {
    let mut length = 0;
    let end = block_on(poll_fn(|cx| {
        loop {
            let mut buffer = Vec::new();
            match stream.poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.is_empty() => length += buffer.len(),
                end => return end,
            }
        }
    }));
    (length, end)
}

/// Gives all of `input` as there is room: whether the stream has taken it.
fn give_all(pump: &Shared<Lost>, input: &[u8]) -> bool {
    let mut given = 0;
    block_on(poll_fn(|cx| {
        pump.register_pump(cx);
        while given < input.len() {
            match pump.give(&input[given..]) {
                None => return Poll::Ready(false),
                Some(0) => return Poll::Pending,
                Some(count) => given += count,
            }
        }
        Poll::Ready(true)
    }))
}

/// Writes as a stream does.
fn write_all(stream: &Shared<Lost>, output: &[u8]) -> Result<(), NoRoom<Lost>> {
    let mut written = 0;
    block_on(poll_fn(|cx| {
        while written < output.len() {
            match stream.poll_write(cx, &[IoSlice::new(&output[written..])]) {
                Poll::Ready(Ok(count)) => written += count,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }))
}

fn close(stream: &Shared<Lost>) -> Result<(), Lost> {
    block_on(poll_fn(|cx| stream.poll_close(cx)))
}

/// Takes output until there will be no more: the number of bytes, and why.
fn take_all(pump: &Shared<Lost>) -> (usize, Writer) {
    let mut length = 0;
    let writer = block_on(poll_fn(|cx| {
        pump.register_pump(cx);
        loop {
            let mut buffer = Vec::new();
            let writer = pump.take(&mut buffer);
            length += buffer.len();
            match writer {
                Writer::Open if buffer.is_empty() => return Poll::Pending,
                Writer::Closed | Writer::Dropped if buffer.is_empty() => {
                    return Poll::Ready(writer);
                }
                _ => {}
            }
        }
    }));
    (length, writer)
}

#[test]
fn all_input_is_read_and_the_pump_gets_room() {
    model(|| {
        let (stream, pump) = both();
        let reading = thread::spawn(move || read_all(&stream));
        // More than there is room for: the pump has to wait unless the stream was faster.
        assert!(give_all(&pump, &[1; CAPACITY + 1]));
        pump.end_input(b"rest", Ok(()));
        assert_eq!(reading.join().unwrap(), (CAPACITY + 5, Ok(())));
    });
}

#[test]
fn all_output_is_taken_before_a_close_is_ready() {
    model(|| {
        let (stream, pump) = both();
        let writing = thread::spawn(move || {
            assert_eq!(write_all(&stream, &[1; CAPACITY + 1]), Ok(()));
            close(&stream)
        });
        assert_eq!(take_all(&pump), (CAPACITY + 1, Writer::Closed));
        pump.end_output(Ok(()));
        assert_eq!(writing.join().unwrap(), Ok(()));
    });
}

#[test]
fn a_loss_ends_a_write_that_waits_and_a_close() {
    model(|| {
        let (stream, pump) = both();
        let writing = thread::spawn(move || {
            let written = write_all(&stream, &[1; CAPACITY + 1]);
            (written, close(&stream))
        });
        pump.end_output(Err(Lost));
        let (written, closed) = writing.join().unwrap();
        assert_eq!(written, Err(NoRoom::Over(Lost)));
        assert_eq!(closed, Err(Lost));
    });
}

#[test]
fn a_loss_ends_a_read_that_waits_after_the_rest_of_the_input() {
    model(|| {
        let (stream, pump) = both();
        let reading = thread::spawn(move || read_all(&stream));
        assert!(give_all(&pump, b"some"));
        pump.end_input(b"rest", Err(Lost));
        assert_eq!(reading.join().unwrap(), (8, Err(Lost)));
    });
}

#[test]
fn a_drop_ends_a_pump_that_waits_in_either_direction() {
    model(|| {
        let (stream, pump) = both();
        let dropping = thread::spawn(move || {
            assert_eq!(write_all(&stream, b"bye"), Ok(()));
            stream.drop_stream();
        });
        assert_eq!(take_all(&pump), (3, Writer::Dropped));
        dropping.join().unwrap();
    });
    model(|| {
        let (stream, pump) = both();
        let dropping = thread::spawn(move || stream.drop_stream());
        assert!(!give_all(&pump, &[1; CAPACITY + 1]));
        dropping.join().unwrap();
    });
}
