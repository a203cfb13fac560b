//! Filters of a connection: inserting them, running them, and calling the protocol when they open,
//! deliver, end or fail.

use deferred::{Deferred, Failure, fail};

use super::any_source::{AnySource, Call};
use super::base::Base;
use super::context::Context;
use super::flags::Flags;
use super::handle::Connection;
use super::protocol::Protocol;
use crate::core::READS_PER_TURN;
use crate::error::{ConnectionClosed, Gone};
use crate::filter::{Filter, FilterBusy, FilterWaker};
use crate::panics::contain;

impl dyn AnySource {
    /// The waker for the filters of this connection, which puts the connection into the run queue.
    pub(super) fn filter_waker(&self) -> FilterWaker {
        FilterWaker::new(self.weakly(Self::touch))
    }

    /// As [`Context::insert_filter`].
    pub(super) fn insert_filter(&self, filter: Box<dyn Filter>) -> Deferred<()> {
        let transport = self.transport();
        if transport.is_closed() || transport.has_failed() {
            return fail(Gone);
        }
        let busy = Flags::FILTER_OPENING.union(Flags::FILTER_SWITCHING);
        if transport.flags.has_any(busy) {
            return fail(FilterBusy);
        }
        let (trigger, opening) = Deferred::pair();
        // The filter starts in `switch_reading`, when no handler runs; `touch` has the loop get
        // there.
        transport.put_filter(filter, || self.filter_waker(), None, Some(trigger));
        self.touch();
        opening
    }

    /// Reads from the connection, and gives the input to the filters.
    #[cold]
    pub(super) fn read_filtered(&self) {
        let transport = self.transport();
        let mut buffer = transport.core().buffers.take_read();
        for _ in 0..READS_PER_TURN {
            // Asked before each read: the filter may set another limit with each piece.
            let limit = transport.filter_read_limit().min(buffer.len());
            if limit == 0 || !transport.is_reading() {
                break;
            }
            match transport.receive_last(&mut buffer[..limit]) {
                Ok(None) => break,
                Ok(Some(0)) => {
                    transport.filter_end_of_input();
                    self.settle_filters();
                    // Nothing more can be read, whatever the filters say.
                    transport.set_read_eof();
                    break;
                }
                Ok(Some(received)) => {
                    // Bytes that a filter changes cannot carry descriptors; they are closed.
                    drop(transport.take_descriptors());
                    transport.filter_input(&mut buffer[..received]);
                    self.settle_filters();
                    if received < limit {
                        break;
                    }
                }
                Err(error) => {
                    transport.receiving_failed(error);
                    break;
                }
            }
        }
        transport.core().buffers.return_read(buffer);
    }

    /// Acts on the events and output of the filters. Not to be called while a handler runs.
    #[cold]
    pub(super) fn settle_filters(&self) {
        let transport = self.transport();
        if transport.is_closed() {
            return;
        }
        if transport.flags.has_any(Flags::FILTER_SWITCHING) {
            self.switch_reading();
        }
        transport.wake_filters();
        self.deliver_filtered();
        // In the order in which one step feeds the next: wake, deliver, then send what the handlers
        // have written.
        transport.flush_filters();
        // Sending may have made a filter deliver something.
        self.deliver_filtered();
        if let Some((failed, opening)) = transport.take_filter_failure() {
            let (failure, reason) = failed.reason();
            match opening {
                Some(opening) => {
                    // Before the errback, whose callbacks find the connection closing.
                    transport.end_with(reason);
                    // Errs only if the wait was cancelled; then no callback is left to run.
                    let _ = opening.errback(failure);
                }
                None => self.filters_failed(failure, reason),
            }
        }
        transport.set_filter_timer(|delay| {
            let call = self.weakly(Self::filter_timer_fired);
            transport.core().timers.call_later(delay, call)
        });
    }

    fn filter_timer_fired(&self) {
        self.transport().filter_timer_fired();
        self.transport().wake_filters();
        self.settle_now();
    }

    #[cold]
    fn filters_failed(&self, failure: Failure, reason: ConnectionClosed) {
        let is_made = !self.transport().flags.has_any(Flags::NOT_MADE);
        let is_failure = matches!(reason, ConnectionClosed::Failed(_));
        self.transport().end_with(reason);
        if is_failure && is_made {
            let peer = self.transport().peer();
            contain("the log of a failure", || {
                tracing::warn!(
                    target: "reactor",
                    %peer,
                    "a filter has failed; its connection is closed: {failure}"
                );
                drop(failure);
            });
        } else if !is_made {
            self.base()
                .with_cold(|cold| cold.opening_failure = Some(failure));
        }
    }

    /// Gives the bytes that were read and not delivered to the new filter, and makes a new framing.
    fn switch_reading(&self) {
        let flags = &self.transport().flags;
        // No byte that came before the filter may reach the protocol after it: an attacker could
        // have sent it in the clear (the injection hole of STARTTLS).
        flags.clear(Flags::HAS_REST.union(Flags::HAS_UNDECODED));
        let unread = self.base().rest.take();
        self.handle(Call::Framing);
        self.transport().switch_reading(unread);
    }

    /// Calls the protocol for the events of the filters, in this order: the filters are open, input
    /// was delivered, the input has ended.
    fn deliver_filtered(&self) {
        let transport = self.transport();
        if let Some((opening, on_open)) = transport.take_opened() {
            if transport.flags.has_any(Flags::NOT_MADE) {
                let made = self.make_connection();
                if let Some(on_open) = on_open {
                    contain("the callback of a new connection", || on_open(made));
                } else if let Err(failure) = made {
                    self.report(failure);
                }
            }
            if let Some(opening) = opening {
                // Errs only if the wait was cancelled; then no callback is left to run.
                let _ = opening.callback(());
            }
        }
        if transport.flags.has_any(Flags::NOT_MADE) {
            return;
        }
        // Taken out while handlers run: they may make the filter deliver more, which goes to a new
        // buffer.
        if let Some(delivered) = transport.take_delivered() {
            // Only delivered bytes count: bytes for the filter alone, such as a handshake, do not
            // end an idle time.
            transport.note_activity();
            self.take_in(&delivered);
            transport.return_delivered(delivered);
        }
        if transport.flags.has_any(Flags::SWITCHING) {
            // The next protocol hears of the end.
            return;
        }
        if transport.take_filter_end() {
            self.end_of_reading();
        }
    }
}

impl Base {
    /// The connection has ended: fails the waits for filters to open.
    pub(super) fn end_filters(&self, reason: &ConnectionClosed) {
        let Some((opening, on_open)) = self.transport.end_filters() else {
            return;
        };
        if let Some(opening) = opening {
            // Errs only if the wait was cancelled; then no callback is left to run.
            let _ = opening.errback(Gone);
        }
        let failure = match self.cold.look(|cold| cold.opening_failure.take()) {
            Some(failure) => failure,
            None => match reason {
                ConnectionClosed::Failed(failure) => failure.clone(),
                reason => Failure::new(reason.clone()),
            },
        };
        if let Some(on_open) = on_open {
            contain("the callback of a new connection", || on_open(Err(failure)));
        } else if self.transport.flags.has_any(Flags::NOT_MADE)
            && !matches!(reason, ConnectionClosed::ReactorStopped)
        {
            let peer = self.transport.filtered_peer_or_raw();
            contain("the log of a failure", || {
                tracing::info!(
                    target: "reactor",
                    %peer,
                    "a connection was refused by a filter or given up before it was open: {failure}"
                );
                drop(failure);
            });
        }
    }
}

impl<P: Protocol> Context<'_, P> {
    /// Puts `filter` between the connection and the protocol, nearer to the protocol than all
    /// filters that the connection has. `STARTTLS` uses this, for example.
    ///
    /// Bytes written before this call are sent unchanged. Bytes written after it go through the
    /// filter, even in the same handler. Input that has arrived and was not delivered goes to the
    /// filter when the handler returns; the framing never gets it, and starts with an empty
    /// buffer. After this call, no descriptors can be sent.
    ///
    /// The returned Deferred fires when the filter is open. If the filter fails, the connection
    /// ends. Until the filter is open, written bytes wait, and a pause or a close takes no
    /// effect yet.
    ///
    /// # Errors
    ///
    /// The Deferred fails with [`FilterBusy`](crate::filter::FilterBusy) if another filter is being
    /// opened, with [`Gone`](crate::Gone) if the connection is over, or with the failure of the
    /// filter.
    pub fn insert_filter(&mut self, filter: impl Filter) -> Deferred<()> {
        self.source.any().insert_filter(Box::new(filter))
    }

    /// Information of type `T` that a filter has about the connection, such as a [`ProxyHeader`] or
    /// the result of a TLS handshake; `None` if no filter has any.
    ///
    /// [`ProxyHeader`]: crate::filter::proxy_protocol::ProxyHeader
    pub fn filter_info<T: 'static>(&self) -> Option<T> {
        self.source.transport().filter_info()
    }
}

impl<P: Protocol> Connection<P> {
    /// As [`Context::insert_filter`], through a handle.
    ///
    /// # Errors
    ///
    /// As for [`Context::insert_filter`].
    pub fn insert_filter(&self, filter: impl Filter) -> Deferred<()> {
        match self.source() {
            Ok(source) => source.any().insert_filter(Box::new(filter)),
            Err(gone) => fail(gone),
        }
    }

    /// As [`Context::filter_info`]; `None` if the connection is over.
    pub fn filter_info<T: 'static>(&self) -> Option<T> {
        self.source().ok()?.transport().filter_info()
    }
}
