//! The filters of a connection, between what the protocol writes and what is sent, and
//! between what is received and the framing.
//!
//! ```text
//!  write ──▶ plain ──filter──▶ out ──▶ socket      socket ──▶ filter ──▶ up ──▶ framing
//! ```
//!
//! A filter is code of the user: the engine is taken out of the state while a filter runs, and the
//! results are applied afterwards. Input that the filters deliver waits in `up` for
//! [`ConnectionSource`], which knows the protocol.
//!
//! [`ConnectionSource`]: crate::connection::source::ConnectionSource

use std::rc::Rc;
use std::time::Duration;

use deferred::{DelayedCall, Result, Trigger};

use super::filter_state::{Failed, Filtered, Finish, Next, OnOpen};
use super::{SEND_AT_ONCE, Transport};
use crate::address::Address;
use crate::connection::flags::Flags;
use crate::core::Spare;
use crate::error::ConnectionClosed;
use crate::filter::{Engine, Environment, Filter, FilterWaker, Sides};
use crate::panics::drop_contained;

/// Number of bytes from the filters which wait to be sent, from which on the filters get no more
/// output of the protocol.
const MAX_FILTERED: usize = 64 * 1024;

/// Most bytes of output that a filter gets in one call: as many as one read can deliver, so that
/// an echo is one send. With what TLS adds, they fit into a buffer that the loop keeps.
const CHUNK: usize = 84 * 1024;

impl Transport {
    /// Calls `f` with the state of the filters, if there are any. `f` runs no code of the user.
    pub(in crate::connection) fn look_at_filters<R>(
        &self,
        f: impl FnOnce(&mut Filtered) -> R,
    ) -> Option<R> {
        self.peek_cold(|cold| cold.filtered.as_deref_mut().map(f))
    }

    #[inline]
    fn is_filtered(&self) -> bool {
        self.flags.has_any(Flags::FILTERED)
    }

    /// Puts `filter` over the connection, on top of the filters that are there. From now on it gets
    /// the output; it gets the input once [`switch_reading`](Self::switch_reading) was called.
    pub(in crate::connection) fn put_filter(
        &self,
        filter: Box<dyn Filter>,
        waker: impl FnOnce() -> FilterWaker,
        on_open: Option<OnOpen>,
        opening: Option<Trigger<()>>,
    ) {
        let (peer, waker) = (self.raw_peer(), waker());
        self.with_cold(|cold| {
            let filtered = cold
                .filtered
                .get_or_insert_with(|| Box::new(Filtered::new(peer, waker)));
            // Bytes that the filters below have not taken were written before the call: they bypass
            // the new filter, and go out first.
            let plain = std::mem::take(&mut filtered.plain);
            let unsent = plain.unsent().to_vec();
            plain.discard(&self.core);
            filtered.carries_plain = !unsent.is_empty();
            filtered.next = Some(Next { filter, unsent });
            filtered.opening = opening;
            filtered.on_open = on_open;
        });
        // A descriptor belongs to bytes on the socket, which are the filter's from now on.
        self.flags.clear(Flags::CARRIES_DESCRIPTORS);
        let opens = Flags::FILTERED
            .union(Flags::FILTER_OPENING)
            .union(Flags::FILTER_SWITCHING);
        self.flags.set(opens);
    }

    /// Starts the filter that was put in. It gets `unread`, the input that was read and not
    /// delivered.
    pub(in crate::connection) fn switch_reading(&self, mut unread: Vec<u8>) {
        self.flags.clear(Flags::FILTER_SWITCHING);
        let next = self.look_at_filters(|filtered| filtered.next.take());
        let Some(Next { filter, unsent }) = next.flatten() else {
            return;
        };
        let engine = self.look_at_filters(|filtered| filtered.engine.take());
        // With filters below, `unread` has gone through them already. Without, it is raw input, and
        // `unsent` is empty: earlier writes are in the output buffer.
        let rest = match engine.flatten() {
            Some(mut engine) => {
                engine.put_on_top(filter, std::mem::take(&mut unread), unsent);
                self.put_engine(engine);
                Vec::new()
            }
            None => {
                self.put_engine(Box::new(Engine::new(filter)));
                unread
            }
        };
        self.run_filters(|engine, environment, sides| engine.start(environment, sides));
        // After `start`, which a filter may rely on.
        if !rest.is_empty() {
            self.filter_input(&mut { rest });
        }
    }

    /// Puts the engine in its place. If the connection has ended since it was taken out, as it does
    /// if a filter drops the reactor, the engine is dropped.
    fn put_engine(&self, engine: Box<Engine>) {
        let mut engine = Some(engine);
        self.look_at_filters(|filtered| std::mem::swap(&mut filtered.engine, &mut engine));
        // Outside of `look_at_filters`, because the drop is code of the user.
        drop_contained("a filter's drop", engine);
    }

    /// Calls the filters, and applies their results to the transport; the source applies those for
    /// the protocol. Returns whether the filters were called.
    fn run_filters(
        &self,
        f: impl FnOnce(&mut Engine, &Environment<'_>, &mut Sides<'_>) -> Result<()>,
    ) -> bool {
        let taken = self.look_at_filters(|filtered| {
            let engine = filtered.engine.take()?;
            // All that the call needs is taken out of the cold state: a filter is code of the user,
            // and may write to its own connection, or look at it.
            let up = filtered.up.take();
            Some((engine, up, Rc::clone(&filtered.surroundings)))
        });
        // The filters are running already, further down the stack; or they have failed.
        let Some((mut engine, up, surroundings)) = taken.flatten() else {
            return false;
        };
        let buffers = &self.core.buffers;
        let mut up = up.unwrap_or_else(|| buffers.take_spare());
        let mut down = buffers.take_spare();
        let environment = Environment {
            now: &|| self.core.now(),
            peer: &surroundings.peer,
            waker: &surroundings.waker,
        };
        let mut sides = Sides {
            up: &mut up,
            down: &mut down,
        };
        let result = f(&mut engine, &environment, &mut sides);
        // Also after an error: what the filter has sent before it, such as an alert, still goes
        // out.
        if down.is_empty() || self.is_cut_off() {
            buffers.return_spare(down);
        } else {
            self.io.borrow_mut().out.push_buffer(down, &self.core);
            self.flags.set(Flags::HAS_OUTPUT);
        }
        self.flags
            .set_to(Flags::FILTER_PAUSED, engine.read_limit() == 0);
        let up = match up.is_empty() {
            true => {
                buffers.return_spare(up);
                None
            }
            false => Some(up),
        };
        let mut engine = Some(engine);
        self.look_at_filters(|filtered| {
            filtered.up = up;
            if result.is_ok() {
                std::mem::swap(&mut filtered.engine, &mut engine);
            }
        });
        if let Err(failure) = result {
            // Noted before the drop of the engine, which runs code of the user.
            self.filters_failed(Failed::Otherwise(failure));
        }
        if engine.is_some() {
            // The filters have failed, or the connection has ended: see `put_engine`.
            drop_contained("a filter's drop", engine);
        }
        true
    }

    /// Discards the output that waits for the filters, for which a close would wait for ever.
    /// Output of the filters themselves, such as an alert of TLS, is still sent.
    #[cold]
    fn filters_failed(&self, failed: Failed) {
        self.look_at_filters(|filtered| {
            std::mem::take(&mut filtered.plain).discard(&self.core);
            filtered.has_failed = true;
            // The first failure is the cause; later ones follow from it.
            filtered.failure.get_or_insert(failed);
        });
    }

    /// Passes input to the filters.
    pub(in crate::connection) fn filter_input(&self, input: &mut [u8]) {
        self.run_filters(|engine, environment, sides| engine.receive(input, environment, sides));
    }

    /// Tells the filters that nothing more comes from the network.
    pub(in crate::connection) fn filter_end_of_input(&self) {
        let mut at_end = None;
        self.run_filters(|engine, environment, sides| {
            // After the filters have ended the input (close_notify), the end of the stream is
            // expected, and no truncation.
            if engine.has_ended() {
                return Ok(());
            }
            let result = engine.receive_end(environment, sides);
            result.inspect_err(|failure| at_end = Some(failure.clone()))
        });
        if let Some(failure) = at_end {
            // Replaces the `Otherwise` that `run_filters` has noted for the same failure.
            self.look_at_filters(|filtered| filtered.failure = Some(Failed::AtEnd(failure)));
        }
    }

    /// Wakes the filters if their time has come or a wake-up was asked for.
    pub(in crate::connection) fn wake_filters(&self) {
        let is_due = self.look_at_filters(|filtered| {
            filtered.engine.is_some()
                && (filtered.surroundings.waker.take()
                    || filtered.wake_at().is_some_and(|at| at <= self.core.now()))
        });
        if is_due == Some(true) {
            self.run_filters(|engine, environment, sides| engine.wake(environment, sides));
        }
    }

    /// Appends a few bytes to the output that waits for the filters; returns whether it did. Most
    /// writes are small, and need no comparison with the limits, which are larger.
    fn write_little_filtered(&self, bytes: &[u8]) -> bool {
        let checked = Flags::LOW_LIMIT.union(Flags::UNPROMPTED);
        if bytes.len() >= SEND_AT_ONCE || self.flags.has_any(checked) || self.is_cut_off() {
            return false;
        }
        self.look_at_filters(|filtered| {
            let is_little = filtered.plain.waiting() + bytes.len() < SEND_AT_ONCE;
            if is_little && !filtered.has_failed {
                filtered.plain.push(bytes, &self.core);
                return true;
            }
            false
        }) == Some(true)
    }

    /// Writes `bytes` through the filters.
    pub(super) fn write_filtered(&self, bytes: &[u8]) {
        if self.write_little_filtered(bytes) {
            return;
        }
        let limits = self.limits();
        let mut rest = bytes;
        let plain_waits = self.look_at_filters(|filtered| filtered.plain.waiting());
        if bytes.len() >= SEND_AT_ONCE && plain_waits == Some(0) {
            rest = &bytes[self.send_filtered(bytes)..];
        }
        if rest.is_empty() || self.is_cut_off() {
            return;
        }
        let out_waits = self.io.borrow().out.waiting();
        let is_unprompted = self.flags.has_any(Flags::UNPROMPTED);
        let overflow = self.look_at_filters(|filtered| {
            if filtered.has_failed {
                return None;
            }
            let plain = &mut filtered.plain;
            let before = plain.waiting() + out_waits;
            let buffered = before + rest.len();
            if before <= limits.max_buffered {
                // One write of any size is accepted.
                plain.set_allowance(rest.len().saturating_sub(limits.max_buffered));
            } else if buffered > limits.most().saturating_add(plain.allowance()) {
                return Some(buffered);
            }
            plain.push(rest, &self.core);
            if is_unprompted {
                plain.add_unprompted(rest.len());
            }
            None
        });
        if is_unprompted {
            self.flags.set(Flags::COUNTED);
        }
        if let Some(Some(buffered)) = overflow {
            let limit = limits.max_buffered;
            self.abort(ConnectionClosed::Overflow { buffered, limit });
        }
    }

    /// Passes `bytes` to the filters and sends their output, as long as the system takes it;
    /// returns the number of bytes that the filters have taken.
    fn send_filtered(&self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while taken < bytes.len() && self.filters_take_more() {
            let chunk = &bytes[taken..bytes.len().min(taken + CHUNK)];
            let mut of_chunk = 0;
            self.run_filters(|engine, environment, sides| {
                of_chunk = engine.send(chunk, environment, sides)?;
                Ok(())
            });
            // The filter takes no more now: it asks for more by a wake, or when it has received or
            // sent something.
            if of_chunk == 0 {
                break;
            }
            taken += of_chunk;
            self.look_at_filters(|filtered| filtered.carries_plain = true);
            // Taking is progress, too: a filter may hold bytes back (a rate limit), and the peer is
            // not to blame for that.
            self.flags.set(Flags::PROGRESS);
            self.send_out();
        }
        taken
    }

    /// Called when the system has taken output of the filters, of which `waiting` bytes are left.
    /// Output without bytes of the protocol, as in a handshake, does not restart the idle timeout.
    #[cold]
    pub(super) fn note_filtered_output(&self, waiting: usize) {
        let carries_plain = self.look_at_filters(|filtered| {
            let carries_plain = filtered.carries_plain;
            filtered.carries_plain = carries_plain && waiting > 0;
            carries_plain
        });
        if carries_plain == Some(true) {
            self.note_activity();
        }
    }

    fn filters_take_more(&self) -> bool {
        !self.is_cut_off()
            && self.io.borrow().out.waiting() < MAX_FILTERED
            && self
                .look_at_filters(|filtered| filtered.is_open() && filtered.finish == Finish::NotYet)
                == Some(true)
    }

    /// Sends the output of the filters, unless the system takes nothing.
    fn send_out(&self) {
        if self.is_write_blocked() || self.is_cut_off() {
            return;
        }
        let io = &mut *self.io.borrow_mut();
        if let Err(error) = self.send_waiting(io) {
            self.fail_writing(io, error);
        }
    }

    /// Passes the output that waits to the filters, and the end behind it if the connection or its
    /// writing is closing; sends their output.
    pub(in crate::connection) fn flush_filters(&self) {
        loop {
            let mut piece = None;
            if self.filters_take_more() {
                // Taken out: the filter may write while it runs.
                piece = self.look_at_filters(|filtered| {
                    let waits = filtered.plain.waiting() > 0;
                    waits.then(|| std::mem::take(&mut filtered.plain))
                });
            }
            let Some(Some(mut plain)) = piece else {
                break;
            };
            let taken = self.send_filtered(plain.unsent());
            plain.mark_sent(taken);
            plain.forget_sent(taken);
            plain.tidy(&self.core);
            let leftover = self.look_at_filters(|filtered| {
                if filtered.has_failed {
                    return Some(plain);
                }
                // Output that was written while the filter ran comes after the output that it has
                // left.
                let added = std::mem::replace(&mut filtered.plain, plain);
                filtered.plain.push(added.unsent(), &self.core);
                Some(added)
            });
            if let Some(leftover) = leftover.flatten() {
                leftover.discard(&self.core);
            }
            if taken == 0 {
                break;
            }
        }
        self.finish_filters();
        self.send_out();
    }

    /// Makes the filters send their end, if no output will follow.
    fn finish_filters(&self) {
        let flags = self.flags.get();
        let ends = Flags::CLOSE_AFTER_FLUSH.union(Flags::SHUT_WRITE_AFTER_FLUSH);
        // A producer may still write; the end comes after it has unregistered.
        if !flags.has_any(ends) || flags.has_any(Flags::HAS_PRODUCER) || self.is_cut_off() {
            return;
        }
        let is_due = self.look_at_filters(|filtered| {
            // The end stands behind all that was written.
            filtered.is_open() && filtered.plain.waiting() == 0 && filtered.finish == Finish::NotYet
        });
        if is_due != Some(true) {
            return;
        }
        // Before the call, so that the end itself does not count: `both_have_finished` compares
        // with it.
        let before = self.io.borrow().out.waiting();
        let mut is_finished = false;
        self.run_filters(|engine, environment, sides| {
            is_finished = engine.finish(environment, sides)?;
            Ok(())
        });
        if is_finished {
            self.look_at_filters(|filtered| filtered.finish = Finish::Done { before });
        }
    }

    /// Whether the filters have sent all that they will.
    #[inline]
    pub(super) fn filters_are_finished(&self) -> bool {
        !self.is_filtered() || self.have_finished()
    }

    #[cold]
    fn have_finished(&self) -> bool {
        let are_at_work = self.look_at_filters(|filtered| {
            let has_begun = filtered.engine.is_some() || filtered.next.is_some();
            // A filter that has failed sends no end, and the close must not wait for it.
            has_begun && !filtered.has_failed && filtered.finish == Finish::NotYet
        });
        are_at_work != Some(true)
    }

    /// Whether both sides have said that they will send nothing more: an error after that is
    /// no loss.
    pub(super) fn both_have_finished(&self, waiting: usize) -> bool {
        self.is_filtered()
            && self.look_at_filters(|filtered| {
                // If nothing waited before the filters sent their end, only that end waits now.
                let has_finished = match filtered.finish {
                    Finish::NotYet => false,
                    Finish::Done { before } => before == 0 || waiting == 0,
                };
                filtered.has_ended() && has_finished
            }) == Some(true)
    }

    /// How many bytes wait for the filters.
    pub(super) fn waiting_for_filters(&self) -> usize {
        self.look_at_filters(|filtered| filtered.plain.waiting())
            .unwrap_or(0)
    }

    /// As [`Output::answers`].
    pub(super) fn answers_for_filters(&self, most: usize) -> usize {
        self.look_at_filters(|filtered| filtered.plain.answers(most))
            .unwrap_or(0)
    }

    /// Discards the output that waits for the filters, when nothing can be sent any more.
    pub(super) fn discard_plain(&self) {
        self.look_at_filters(|filtered| std::mem::take(&mut filtered.plain).discard(&self.core));
    }

    /// How much may be read at once.
    pub(in crate::connection) fn filter_read_limit(&self) -> usize {
        let limit = self.look_at_filters(|filtered| match &filtered.engine {
            Some(engine) => engine.read_limit(),
            None => 0,
        });
        limit.unwrap_or(0)
    }

    /// Whether the socket is to be read. While the filters are opening, only they decide, whether
    /// or not the protocol reads.
    pub(super) fn is_reading_filtered(&self) -> bool {
        let stops = Flags::ABORTING
            .union(Flags::CLOSED)
            .union(Flags::READ_EOF)
            .union(Flags::FILTER_PAUSED)
            .union(Flags::FILTER_SWITCHING)
            .union(Flags::SWITCHING);
        if self.flags.has_any(stops) {
            return false;
        }
        // A handshake goes on although the protocol has paused or is closing: without it, nothing
        // that the protocol has written could be sent.
        self.flags.has_any(Flags::FILTER_OPENING) || !self.flags.has_any(Flags::NOT_READING)
    }

    /// Takes the input that the filters have delivered since the last call, if any.
    pub(in crate::connection) fn take_delivered(&self) -> Option<Spare> {
        self.peek_cold(|cold| cold.filtered.as_deref_mut()?.up.take())
    }

    /// Gives back the buffer of delivered input.
    pub(in crate::connection) fn return_delivered(&self, buffer: Spare) {
        self.core.buffers.return_spare(buffer);
    }

    /// If the filters that were opening are open now: the trigger and the callback that wait for
    /// that, once.
    pub(in crate::connection) fn take_opened(
        &self,
    ) -> Option<(Option<Trigger<()>>, Option<OnOpen>)> {
        let is_opening = self.flags.has_any(Flags::FILTER_OPENING);
        if !is_opening || self.flags.has_any(Flags::FILTER_SWITCHING) {
            return None;
        }
        // The triggers are taken out and fired by the caller, when the cold state is in its place
        // again.
        let opened = self.look_at_filters(|filtered| {
            let is_open = filtered.engine.as_ref()?.is_open();
            is_open.then(|| (filtered.opening.take(), filtered.on_open.take()))
        });
        let opened = opened.flatten()?;
        self.flags.clear(Flags::FILTER_OPENING);
        Some(opened)
    }

    /// The failure of the filters, once, with the trigger that waits for them to open.
    pub(in crate::connection) fn take_filter_failure(
        &self,
    ) -> Option<(Failed, Option<Trigger<()>>)> {
        let failed = self.look_at_filters(|filtered| {
            let failure = filtered.failure.take()?;
            Some((failure, filtered.opening.take()))
        });
        let failed = failed.flatten()?;
        self.flags.clear(Flags::FILTER_OPENING);
        Some(failed)
    }

    /// Whether the filters have ended the input; true once for each protocol of the connection.
    pub(in crate::connection) fn take_filter_end(&self) -> bool {
        self.look_at_filters(|filtered| {
            filtered.has_ended() && !std::mem::replace(&mut filtered.end_is_told, true)
        }) == Some(true)
    }

    /// Information of the filters about the connection.
    pub(in crate::connection) fn filter_info<T: 'static>(&self) -> Option<T> {
        // Out of its place during the call: `info` is code of the user, and may use the connection.
        let engine = self.look_at_filters(|filtered| filtered.engine.take());
        let engine = engine.flatten()?;
        let info = engine.info();
        self.put_engine(engine);
        info
    }

    /// The address of the peer, as the filters see it.
    pub(in crate::connection) fn filtered_peer(&self) -> Option<Address> {
        self.look_at_filters(|filtered| {
            let changed = filtered.engine.as_ref().and_then(|engine| engine.peer());
            changed.unwrap_or(&filtered.surroundings.peer).clone()
        })
    }

    /// Sets the timer that wakes the filters, if it is not set already; `call` makes it.
    pub(in crate::connection) fn set_filter_timer(
        &self,
        call: impl FnOnce(Duration) -> DelayedCall,
    ) {
        let (wanted, is_set) = self
            .look_at_filters(|filtered| {
                let wanted = filtered.wake_at();
                let set = filtered.timer.as_ref().map(|(at, _)| *at);
                (wanted, set == wanted)
            })
            .unwrap_or((None, true));
        if is_set {
            return;
        }
        // Made outside of `look_at_filters`, whose closure must not reach the connection.
        let timer = wanted.map(|at| (at, call(at.saturating_sub(self.core.now()))));
        let before = self.look_at_filters(|filtered| std::mem::replace(&mut filtered.timer, timer));
        if let Some((_, before)) = before.flatten() {
            before.cancel();
        }
    }

    /// Called when the timer has fired.
    pub(in crate::connection) fn filter_timer_fired(&self) {
        self.look_at_filters(|filtered| filtered.timer = None);
    }

    /// Called when another protocol takes over the connection: from now on, the waker of the
    /// filters calls `notify`; and if the input has ended, the new protocol gets the end, too.
    pub(in crate::connection) fn redirect_filters(&self, notify: impl Fn() + 'static) {
        let timer = self.look_at_filters(|filtered| {
            filtered.surroundings.waker.redirect(notify);
            filtered.end_is_told = false;
            // Set again by the connection of the next protocol, for itself.
            filtered.timer.take()
        });
        if let Some((_, timer)) = timer.flatten() {
            timer.cancel();
        }
    }

    /// Called when the connection is over: drops the filters, and returns the trigger and the
    /// callback that wait for them to open.
    pub(in crate::connection) fn end_filters(
        &self,
    ) -> Option<(Option<Trigger<()>>, Option<OnOpen>)> {
        let filtered = self.peek_cold(|cold| cold.filtered.take())?;
        let Filtered {
            engine,
            next,
            plain,
            timer,
            opening,
            on_open,
            failure,
            ..
        } = *filtered;
        plain.discard(&self.core);
        if let Some((_, timer)) = timer {
            timer.cancel();
        }
        // One by one: a panic of one while the panic of another unwinds would abort the process.
        drop_contained("a filter's drop", engine);
        drop_contained("a filter's drop", next);
        drop_contained("the drop of a filter's failure", failure);
        Some((opening, on_open))
    }
}
