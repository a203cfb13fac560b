//! `switch_to`: another protocol takes over a connection, in the middle of the input.
//!
//! A connection's source has its protocol as a type parameter, so the next protocol gets a source
//! of its own, in the same place of the registry. The transport, with its filters and unsent
//! output, and the undecoded input move to the new source. The old source is closed: methods of its
//! handles fail with `Gone`, and the timers and waits of the old protocol end as at the end of a
//! connection.

use std::rc::{Rc, Weak};

use deferred::Deferred;

use super::any_source::AnySource;
use super::base::Base;
use super::cold::{ColdState, Switch, end_producer};
use super::context::Context;
use super::duplex::place;
use super::flags::Flags;
use super::handle::Connection;
use super::protocol::Protocol;
use super::source::ConnectionSource;
use crate::error::ConnectionClosed;
use crate::mailbox::MailboxOwner;
use crate::panics::contain;

impl<P: Protocol> Context<'_, P> {
    /// Hands the connection to another protocol when the handler returns, before the next frame.
    /// Input that was not decoded goes to the framing of the new protocol, after its
    /// [`connection_made`](Protocol::connection_made). (Twisted: `transport.protocol = other`.)
    ///
    /// Unsent output, filters, the idle timeout, limits and options stay. The following end with
    /// the old protocol, as at the end of a connection: its timers and jobs, the waits of
    /// `when_or_cancel`, its pauses, a producer, and a [`pump`](crate::pump) with its other
    /// connection. Methods of its handles fail with [`Gone`](crate::Gone); but pending Deferreds of
    /// [`closed`](crate::Connection::closed) and [`drained`](crate::Connection::drained) still wait
    /// for this connection. The old protocol is dropped, and its `connection_lost` is not called.
    ///
    /// If the connection is closing or the handler fails, the connection keeps its protocol, and
    /// the new one is dropped. If this is called twice in a handler, the last call counts.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor::{Context, Lines, Protocol, Raw, testing};
    ///
    /// struct Greeter;
    /// struct Tunnel;
    ///
    /// impl Protocol for Greeter {
    ///     type Framing = Lines;
    ///
    ///     fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> deferred::Result<()> {
    ///         if line == b"CONNECT" {
    ///             cx.send_line("200");
    ///             cx.switch_to(Tunnel);
    ///         }
    ///         Ok(())
    ///     }
    /// }
    ///
    /// impl Protocol for Tunnel {
    ///     type Framing = Raw;
    ///
    ///     fn received(&mut self, cx: &mut Context<'_, Self>, data: &[u8]) -> deferred::Result<()> {
    ///         cx.write(data);
    ///         Ok(())
    ///     }
    /// }
    ///
    /// testing::run(|reactor| {
    ///     let (greeter, peer) = reactor.connect_to_peer(Greeter);
    ///     peer.send("CONNECT\r\nany bytes");
    ///     assert_eq!(peer.received(), b"200\r\nany bytes");
    ///     assert!(greeter.is_gone() && !peer.is_closed());
    /// });
    /// ```
    #[doc(alias = "makeConnection")]
    #[doc(alias = "upgrade")]
    pub fn switch_to<Q: Protocol>(&mut self, protocol: Q) {
        self.switch_behind(protocol, Vec::new(), |_| {});
    }

    /// As [`switch_to`](Self::switch_to), but the framing of the new protocol gets `unread` before
    /// the input that was not decoded. `unread` is for bytes that this protocol has received, but
    /// that belong to the next one. The Deferred fires with the new protocol's handle, after its
    /// `connection_made`.
    ///
    /// # Errors
    ///
    /// Through the Deferred: [`Abandoned`](deferred::Abandoned) if the connection keeps its
    /// protocol, because it is closing.
    ///
    /// # Examples
    ///
    /// A protocol that waits for a decision, and keeps the input until then:
    ///
    /// ```
    /// use reactor::{Context, Lines, Protocol, Raw, testing};
    /// use std::time::Duration;
    ///
    /// #[derive(Default)]
    /// struct Waiting(Vec<u8>);
    /// struct Echo;
    ///
    /// impl Protocol for Waiting {
    ///     type Framing = Raw;
    ///
    ///     fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
    ///         cx.call_later(Duration::from_secs(1), |waiting, cx| {
    ///             cx.switch_to_with(Echo, std::mem::take(&mut waiting.0)).detach();
    ///         });
    ///         Ok(())
    ///     }
    ///
    ///     fn received(&mut self, _: &mut Context<'_, Self>, data: &[u8]) -> deferred::Result<()> {
    ///         self.0.extend_from_slice(data);
    ///         Ok(())
    ///     }
    /// }
    ///
    /// impl Protocol for Echo {
    ///     type Framing = Lines;
    ///
    ///     fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> deferred::Result<()> {
    ///         cx.send_line(line);
    ///         Ok(())
    ///     }
    /// }
    ///
    /// testing::run(|reactor| {
    ///     let (_waiting, peer) = reactor.connect_to_peer(Waiting::default());
    ///     peer.send("one\r\ntw");
    ///     reactor.advance(Duration::from_secs(1));
    ///     peer.send("o\r\n");
    ///     assert_eq!(peer.received(), b"one\r\ntwo\r\n");
    /// });
    /// ```
    pub fn switch_to_with<Q: Protocol>(
        &mut self,
        protocol: Q,
        unread: Vec<u8>,
    ) -> Deferred<Connection<Q>> {
        let (trigger, switched) = Deferred::pair();
        self.switch_behind(protocol, unread, move |connection| {
            // Errs if the Deferred was cancelled: then nothing waits for it.
            let _ = trigger.callback(connection);
        });
        switched
    }

    fn switch_behind<Q: Protocol>(
        &mut self,
        protocol: Q,
        unread: Vec<u8>,
        switched: impl FnOnce(Connection<Q>) + 'static,
    ) {
        let source = self.source.mailbox().weak();
        let switch = Box::new(move || {
            if let Some(source) = source.upgrade() {
                switched(switch_now(source.any(), protocol, unread));
            }
        });
        self.source.base.set_switch(switch);
    }
}

/// Makes a connection of the next protocol with the transport of `old`, and begins it.
fn switch_now<Q: Protocol>(
    old: &(dyn AnySource + 'static),
    protocol: Q,
    unread: Vec<u8>,
) -> Connection<Q> {
    let transport = old.transport();
    let next = ConnectionSource::new(transport.core(), || transport.take_over());
    let any: Rc<dyn AnySource> = Rc::<ConnectionSource<Q>>::clone(&next);
    any.take_over(old, unread);
    if let Err(failure) = next.begin(protocol) {
        any.report(failure);
    }
    Connection::new(Rc::downgrade(&next))
}

impl Base {
    /// Keeps `switch`, for when the handler has returned.
    fn set_switch(&self, switch: Switch) {
        let replaced = self.with_cold(|cold| cold.switch.replace(switch));
        contain("a protocol's drop", || drop(replaced));
        self.transport.flags.set(Flags::SWITCHING);
    }

    /// Hands the connection over, if `switch_to` was called and the connection is open. Returns
    /// whether it did. Not to be called while a handler runs.
    #[cold]
    pub(super) fn switch(&self) -> bool {
        let Some(switch) = self.cold.look(|cold| cold.switch.take()) else {
            return false;
        };
        if !self.transport.is_open() {
            self.transport.flags.clear(Flags::SWITCHING);
            contain("a protocol's drop", || drop(switch));
            return false;
        }
        switch();
        true
    }
}

impl dyn AnySource {
    /// Takes over the state of `old`, whose transport this connection has, and drops its protocol.
    fn take_over(self: &Rc<Self>, old: &Self, unread: Vec<u8>) {
        let base = self.base();
        let transport = &base.transport;
        let cold = old.base().cold.take();
        // `unread` was received before the input that is not decoded yet.
        let mut rest = unread;
        rest.append(&mut old.base().rest.take());
        let has_rest = !rest.is_empty();
        base.rest.replace(rest);
        let kept = Flags::HAS_REST.union(Flags::HAS_UNDECODED);
        transport.flags.set_to(kept, has_rest);
        // Weak, because the source owns the filters, and the filters own the waker.
        transport.redirect_filters(self.weakly(Self::touch));
        // The registry has the new source before any user code runs.
        place(transport.core(), transport.keys(), Rc::clone(self));
        if let Some(cold) = cold {
            self.take_over_cold(cold);
        }
        // The old protocol is dropped before the new one begins, so that only one of them is live
        // at a time.
        old.drop_protocol();
        // Cleared right before `begin`, so that the drop of the old protocol cannot cause a call of
        // the new one.
        transport.flags.clear(Flags::SWITCHING);
    }

    /// Takes over the state of the connection (limits, waiters of `closed` and `drained`, the idle
    /// timeout), and ends the state of the old protocol.
    fn take_over_cold(&self, mut cold: Box<ColdState>) {
        let cancelled = std::mem::take(&mut cold.cancel_on_close);
        let producer = cold.producer.take();
        let pumps = (cold.pump.take(), std::mem::take(&mut cold.pumped_from));
        let idle = cold.idle.take();
        if let Some(watch) = cold.watch.take() {
            // The next settling begins a new watch, if the peer has to take output.
            watch.cancel();
        }
        cold.producer_is_paused = false;
        self.base().cold.put(Some(cold));
        if let Some(idle) = idle {
            let (timeout, since) = (idle.timeout, idle.since);
            idle.cancel();
            self.watch_idle(timeout, since);
        }
        // After `put`, because the rest runs user code, for which the state must be in place and
        // nothing borrowed.
        cancelled.cancel();
        if let Some(producer) = producer {
            end_producer(producer);
        }
        let (pump, from) = pumps;
        let from = from.iter().filter_map(Weak::upgrade);
        for pump in pump.into_iter().chain(from) {
            pump.broken(&ConnectionClosed::Aborted);
        }
    }
}
