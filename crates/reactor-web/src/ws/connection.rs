//! `WebSocketConnection`: the protocol of a connection after the handshake.
//!
//! ```text
//!  bytes ──▶ Frames ──pieces──▶ Assembly ──messages──▶ the user's handlers
//!                                  └──ping, pong, close──▶ answered here
//! ```

use std::fmt;

use deferred::{Deferred, Failure, Result};
use reactor::{Connection, ConnectionClosed, Context, Gone, Protocol};

use super::assembly::{Assembly, Event};
use super::close::{CloseCode, CloseEvent, Violation};
use super::frame::{self, Frames, Piece, Role};
use super::handle::{Link, State, WebSocket};
use super::options::WebSocketOptions;
use super::protocol::WebSocketProtocol;

/// One side of a WebSocket.
pub(super) struct WebSocketConnection {
    handler: Box<dyn WebSocketProtocol>,
    ws: WebSocket,
    options: WebSocketOptions,
    assembly: Assembly,
    /// Whether input has come since `look` or `look_again` ran last.
    // Set by each piece of a frame, taken by `look` and `look_again`.
    is_alive: bool,
    /// Whether `on_open` was called.
    // Set before `on_open` is called, and not cleared. A WebSocket that was closed before it opened
    // has neither `on_open` nor `on_close`.
    is_opened: bool,
    /// How the WebSocket ends, once that is known.
    // Set by the peer's close, a failed handler, a violation or an unanswered ping. Taken when the
    // connection is over.
    event: Option<CloseEvent>,
}

impl WebSocketConnection {
    pub(super) fn new(
        handler: Box<dyn WebSocketProtocol>,
        ws: WebSocket,
        options: &WebSocketOptions,
    ) -> Self {
        Self {
            handler,
            ws,
            options: options.clone(),
            assembly: Assembly::new(options),
            is_alive: false,
            is_opened: false,
            event: None,
        }
    }

    /// Called after each handler: clears `is_handling`, sends what the handler has sent in one
    /// write, and closes the WebSocket if the handler has failed.
    fn after_handler(&mut self, cx: &mut Context<'_, Self>, result: Result<()>) -> Result<()> {
        let ws = &self.ws;
        if result.is_err() && ws.0.state.get() == State::Open {
            let code = CloseCode::INTERNAL_ERROR;
            ws.send_close(code, "");
            // From here on, sends are refused: the close is the last frame (RFC 6455, 5.5.1).
            ws.0.state.set(State::Closed);
            self.event = Some(CloseEvent::new(code, "a handler has failed", false));
        }
        // Cleared before the flush: output that is sent during the flush has no later flush.
        ws.0.is_handling.set(false);
        ws.flush(|output| cx.write(output));
        result
    }

    /// Ends the connection of a peer that breaks the rules.
    fn refuse(&mut self, cx: &mut Context<'_, Self>, violation: Violation) {
        let Violation { code, reason } = violation;
        let peer = cx.peer();
        tracing::debug!(target: "reactor_web", %peer, %code, reason, "a WebSocket is refused");
        // A close is sent once (RFC 6455, 5.5.1).
        if self.ws.0.state.get() == State::Open {
            self.ws.send_close(code, reason);
        }
        self.ws.0.state.set(State::Closed);
        // If the peer has sent a close before, its event stays.
        self.event
            .get_or_insert_with(|| CloseEvent::new(code, reason, false));
        cx.lose_connection();
    }

    /// Answers the peer's close with one of this side, unless this side has sent one already.
    fn answer_close(ws: &WebSocket, event: &CloseEvent) {
        if ws.0.state.get() == State::Open {
            if event.code == CloseCode::NONE {
                // Errs if the connection is over: then it is closed.
                let _ = ws.put(frame::CLOSE, false, &[]);
            } else {
                ws.send_close(event.code, "");
            }
        }
        ws.0.state.set(State::Closed);
    }

    /// Ends the connection, after both sides have closed.
    fn end(&mut self, cx: &mut Context<'_, Self>) {
        match self.ws.0.role {
            Role::Server => cx.lose_connection(),
            // The server should close first (RFC 6455, 7.1.1): the system of the side that does so
            // keeps the connection in the state TIME_WAIT.
            Role::Client => {
                // If the server does not close it, the client does.
                cx.call_later(self.options.close_timeout, |_, cx| cx.lose_connection());
            }
        }
    }

    /// Limits the time in which the peer has to close, after this side has.
    fn wait_for_close(&mut self, cx: &mut Context<'_, Self>) {
        // Not `lose_connection`, since a peer that receives nothing would hold the connection open.
        cx.call_later(self.options.close_timeout, |_, cx| cx.abort());
    }

    fn start_pings(&self, cx: &mut Context<'_, Self>) {
        if let Some(interval) = self.options.ping_interval {
            cx.call_later(interval, |this, cx| this.look(cx));
        }
    }

    /// Sends a ping if nothing has come since the last look.
    fn look(&mut self, cx: &mut Context<'_, Self>) {
        if self.ws.0.state.get() != State::Open {
            return;
        }
        // While this side does not read, no sign of life can come.
        if std::mem::take(&mut self.is_alive) || self.ws.0.pauses.get() > 0 {
            return self.start_pings(cx);
        }
        // Errs if the connection is closing: then the ping is not needed.
        let _ = self.ws.ping([]);
        cx.call_later(self.options.pong_timeout, Self::look_again);
    }

    /// Ends the connection if neither an answer to the ping nor any other input has come.
    fn look_again(&mut self, cx: &mut Context<'_, Self>) {
        if std::mem::take(&mut self.is_alive) || self.ws.0.pauses.get() > 0 {
            return self.start_pings(cx);
        }
        // A close that is under way keeps its event.
        if self.event.is_none() {
            let reason = "a ping was not answered";
            self.event = Some(CloseEvent::new(CloseCode::ABNORMAL, reason, false));
        }
        cx.abort();
    }
}

impl Protocol for WebSocketConnection {
    type Framing = Frames;

    fn framing(&self) -> Frames {
        // The framing refuses by its head a frame that is longer than a message may be.
        let max_length = self.options.max_frame.min(self.options.max_message);
        Frames::new(self.ws.0.role, max_length, self.ws.is_deflating())
    }

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        // Errs if `link` is set already, which happens only here.
        let _ = self.ws.0.link.set(Box::new(cx.connection()));
        // Set after `link`, which an open WebSocket needs.
        self.ws.0.state.set(State::Open);
        // The site has finished, or the handle was closed, between the handshake and the switch.
        let early = self.ws.0.early_close.take();
        if let Some((code, reason)) = early {
            self.ws.close(code, reason);
            return Ok(());
        }
        self.start_pings(cx);
        self.is_opened = true;
        let Self { handler, ws, .. } = self;
        ws.0.is_handling.set(true);
        let result = Failure::catch(|| handler.on_open(ws)).and_then(|result| result);
        self.after_handler(cx, result)
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, piece: Piece<'_>) -> Result<()> {
        // Set before the piece is handled: the pieces of a large message are a sign of life, too.
        self.is_alive = true;
        let state = self.ws.0.state.get();
        let event = match self.assembly.push(&piece) {
            Ok(None) => return Ok(()),
            Ok(Some(event)) => event,
            Err(violation) => {
                self.refuse(cx, violation);
                return Ok(());
            }
        };
        // Input after this side has closed is dropped, except the peer's close.
        if state != State::Open && !matches!(event, Event::Close(_)) {
            return Ok(());
        }
        // Borrowed one by one, since the event borrows from `assembly`.
        let Self { handler, ws, .. } = self;
        ws.0.is_handling.set(true);
        let result = match event {
            Event::Text(text) => Failure::catch(|| handler.on_text(ws, text)),
            Event::Binary(data) => Failure::catch(|| handler.on_binary(ws, data)),
            Event::Pong(data) => Failure::catch(|| handler.on_pong(ws, data)),
            Event::Ping(data) => {
                // Errs if the connection is over: then there is no answer.
                let _ = ws.put(frame::PONG, false, data);
                Ok(Ok(()))
            }
            Event::Close(event) => {
                if state != State::Closed {
                    Self::answer_close(ws, &event);
                    self.event = Some(event);
                }
                Ok(Ok(()))
            }
        };
        // Read before `after_handler`, which sets `event` if the handler has failed; such a failure
        // ends the connection by itself.
        let closes = self.event.is_some();
        // After the handler: the event borrowed from these buffers.
        self.assembly.release();
        self.after_handler(cx, result.and_then(|result| result))?;
        if closes {
            self.end(cx);
        }
        Ok(())
    }

    fn framing_failed(
        &mut self,
        cx: &mut Context<'_, Self>,
        failure: Failure,
        _: &[u8],
    ) -> Result<()> {
        match failure.check::<Violation>() {
            Some(violation) => {
                self.refuse(cx, *violation);
                Ok(())
            }
            None => Err(failure),
        }
    }

    fn connection_lost(&mut self, _: &mut Context<'_, Self>, reason: ConnectionClosed) {
        // Before `on_close`, so that the WebSocket has left its rooms by then.
        self.ws.end();
        let event = self.event.take();
        let event = event
            .unwrap_or_else(|| CloseEvent::new(CloseCode::ABNORMAL, reason.to_string(), false));
        let waiters = self.ws.0.closed.take();
        if self.is_opened {
            self.handler.on_close(&self.ws, &event);
        }
        // After `on_close`, as `WebSocket::closed` says.
        for waiter in waiters {
            // Errs if it was cancelled: then nothing waits.
            let _ = waiter.callback(event.clone());
        }
    }
}

impl Link for Connection<WebSocketConnection> {
    fn write(&self, pieces: &[&[u8]]) -> std::result::Result<(), Gone> {
        self.write_sequence(pieces)
    }

    fn ready(&self) -> Deferred<()> {
        Self::ready(self)
    }

    fn buffered(&self) -> usize {
        Self::buffered(self).unwrap_or(0)
    }

    fn pause_reading(&self) -> std::result::Result<(), Gone> {
        Self::pause_reading(self)
    }

    fn resume_reading(&self) -> std::result::Result<(), Gone> {
        Self::resume_reading(self)
    }

    fn abort(&self) {
        Self::abort(self);
    }

    fn wait_for_close(&self) {
        // Errs if the connection is over: then there is nothing to wait for. Posted, since `close`
        // may be called by a handler, which has no `Context`.
        let _ = self.post(WebSocketConnection::wait_for_close);
    }
}

impl fmt::Debug for WebSocketConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketConnection")
            .field("ws", &self.ws)
            .finish_non_exhaustive()
    }
}
