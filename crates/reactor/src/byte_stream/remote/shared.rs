//! Buffers that the two sides of a [`RemoteStream`](super::RemoteStream) share: the stream, in any
//! thread, and the pump, in the thread of the loop.
//!
//! INVARIANT: a side that returns `Pending` has stored its waker under the lock under which it
//! found nothing to do. So a change that the other side makes after that finds the waker.
//!
//! A waker is woken, cloned and dropped after the lock is released, because it is code of another
//! crate. `tests/loom` compiles this file with a lock of `loom` in the place of `super::lock`.

use std::io::IoSlice;
use std::mem;
use std::task::{Context, Poll, Waker};

use super::lock::Mutex;

/// Bound of the bytes that wait between the threads, in each direction.
pub(super) const CAPACITY: usize = 64 * 1024;

/// Buffers, ends and wakers of both directions, under one lock. `E` is the reason why the
/// connection is over.
pub(super) struct Shared<E> {
    state: Mutex<State<E>>,
}

struct State<E> {
    /// Input that the stream has not taken.
    input: Vec<u8>,
    /// How the input has ended; set by the pump, once.
    input_end: Option<Result<(), E>>,
    /// Set when the pump has more input than there is room for. Cleared when the stream takes the
    /// input.
    has_more_input: bool,
    /// Output that the pump has not taken.
    output: Vec<u8>,
    /// Whether the stream may write more; set by the stream.
    writer: Writer,
    /// How the output has ended; set by the pump, once. It takes no output from then on.
    output_end: Option<Result<(), E>>,
    /// Waker of a task that waits to read.
    reading: Option<Waker>,
    /// Waker of a task that waits to write, flush or close.
    writing: Option<Waker>,
    pump: Option<Waker>,
}

/// State of the output on the side of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writer {
    /// More output may come.
    Open,
    /// The stream has closed the output. It may still read.
    Closed,
    /// The stream was dropped.
    Dropped,
}

/// Why the stream cannot write.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoRoom<E> {
    /// The stream has closed the output.
    Closed,
    /// The connection is over.
    Over(E),
}

impl<E: Clone> Shared<E> {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                input: Vec::new(),
                input_end: None,
                has_more_input: false,
                output: Vec::new(),
                writer: Writer::Open,
                output_end: None,
                reading: None,
                writing: None,
                pump: None,
            }),
        }
    }

    // Methods for the stream.

    /// Polls for input, and swaps it with `buffer`, which must be empty. At the end of the input,
    /// `buffer` stays empty.
    pub(super) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut Vec<u8>,
    ) -> Poll<Result<(), E>> {
        let waker = cx.waker().clone();
        let mut state = self.state.lock();
        if state.input.is_empty() {
            if let Some(end) = state.input_end.clone() {
                return Poll::Ready(end);
            }
            let replaced = state.reading.replace(waker);
            drop(state);
            drop(replaced);
            return Poll::Pending;
        }
        // The buffers change places: no byte is copied, and both keep their memory.
        mem::swap(&mut state.input, buffer);
        // Wakes the pump only if it has input that did not fit; otherwise, it waits for the socket,
        // and a wake-up would be for nothing.
        let pump = if mem::take(&mut state.has_more_input) {
            state.pump.take()
        } else {
            None
        };
        drop(state);
        wake(pump);
        Poll::Ready(Ok(()))
    }

    /// Polls for room, and appends as much of `pieces` as there is room for. With no pieces, it
    /// only polls for room.
    pub(super) fn poll_write(
        &self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<Result<usize, NoRoom<E>>> {
        let waker = cx.waker().clone();
        let mut state = self.state.lock();
        match (&state.output_end, state.writer) {
            (Some(Err(reason)), _) => return Poll::Ready(Err(NoRoom::Over(reason.clone()))),
            (Some(Ok(())), _) | (None, Writer::Closed | Writer::Dropped) => {
                return Poll::Ready(Err(NoRoom::Closed));
            }
            (None, Writer::Open) => {}
        }
        let mut room = CAPACITY - state.output.len();
        if room == 0 {
            let replaced = state.writing.replace(waker);
            drop(state);
            drop(replaced);
            return Poll::Pending;
        }
        let was_empty = state.output.is_empty();
        let mut written = 0;
        for piece in pieces {
            let piece = &piece[..piece.len().min(room)];
            state.output.extend_from_slice(piece);
            room -= piece.len();
            written += piece.len();
        }
        // The pump takes all output at once, so if some was here before, the pump was woken for it
        // already.
        let pump = if was_empty && written > 0 {
            state.pump.take()
        } else {
            None
        };
        drop(state);
        wake(pump);
        Poll::Ready(Ok(written))
    }

    /// Closes the output, and polls until the pump has sent all of it.
    pub(super) fn poll_close(&self, cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        let waker = cx.waker().clone();
        let mut state = self.state.lock();
        if let Some(end) = state.output_end.clone() {
            return Poll::Ready(end);
        }
        let pump = if state.writer == Writer::Open {
            state.writer = Writer::Closed;
            state.pump.take()
        } else {
            None
        };
        // Also if the output is closed already, because the task that has polled last is to be
        // woken.
        let replaced = state.writing.replace(waker);
        drop(state);
        drop(replaced);
        wake(pump);
        Poll::Pending
    }

    /// Number of bytes of input that the stream has not taken.
    pub(super) fn unread(&self) -> usize {
        self.state.lock().input.len()
    }

    pub(super) fn drop_stream(&self) {
        let mut state = self.state.lock();
        state.writer = Writer::Dropped;
        let input = mem::take(&mut state.input);
        let wakers = [state.reading.take(), state.writing.take()];
        let pump = state.pump.take();
        drop(state);
        drop((input, wakers));
        wake(pump);
    }

    // Methods for the pump.

    /// Stores the waker of the pump, which the next change by the stream takes and wakes. To be
    /// called before the pump looks for something to do.
    pub(super) fn register_pump(&self, cx: &Context<'_>) {
        let waker = cx.waker().clone();
        let replaced = self.state.lock().pump.replace(waker);
        drop(replaced);
    }

    /// Appends as much of `input` as there is room for, and returns that number of bytes, or `None`
    /// if the stream was dropped. The pump is woken when there is room for the rest.
    pub(super) fn give(&self, input: &[u8]) -> Option<usize> {
        let mut state = self.state.lock();
        if state.writer == Writer::Dropped {
            return None;
        }
        let given = input.len().min(CAPACITY.saturating_sub(state.input.len()));
        state.input.extend_from_slice(&input[..given]);
        // The reader wakes the pump for the rest when it has taken what is here.
        state.has_more_input = given < input.len();
        let reading = if given > 0 {
            state.reading.take()
        } else {
            None
        };
        drop(state);
        wake(reading);
        Some(given)
    }

    pub(super) fn is_dropped(&self) -> bool {
        self.state.lock().writer == Writer::Dropped
    }

    /// Takes all output into `buffer`, which must be empty, and returns whether more may follow.
    pub(super) fn take(&self, buffer: &mut Vec<u8>) -> Writer {
        let mut state = self.state.lock();
        // The buffers change places: no byte is copied, and both keep their memory.
        mem::swap(&mut state.output, buffer);
        let writer = state.writer;
        // A task that waits for room is woken now. A task that closes the stream is not: it waits
        // until the output is sent.
        let writing = if writer == Writer::Open && !buffer.is_empty() {
            state.writing.take()
        } else {
            None
        };
        drop(state);
        wake(writing);
        writer
    }

    /// Ends the input after `rest`, which may be more than there is room for.
    pub(super) fn end_input(&self, rest: &[u8], end: Result<(), E>) {
        let mut state = self.state.lock();
        if state.input_end.is_some() || state.writer == Writer::Dropped {
            return;
        }
        // May exceed the capacity, because the pump ends now and cannot give the rest later.
        state.input.extend_from_slice(rest);
        state.input_end = Some(end);
        let reading = state.reading.take();
        drop(state);
        wake(reading);
    }

    /// Ends the output; what was not taken is dropped.
    pub(super) fn end_output(&self, end: Result<(), E>) {
        let mut state = self.state.lock();
        if state.output_end.is_some() {
            return;
        }
        state.output_end = Some(end);
        // This output will never be sent; the writer sees that from `output_end`.
        let dropped = mem::take(&mut state.output);
        let writing = state.writing.take();
        drop(state);
        drop(dropped);
        wake(writing);
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
