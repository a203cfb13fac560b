//! `WebSocket`: the handle of a WebSocket.

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use deferred::{Deferred, Trigger, fail, succeed};
use reactor::{Address, Gone, ReactorHandle};

use super::close::{CloseCode, CloseEvent, WebSocketGone};
use super::frame::{self, Role};
use super::message::Message;

thread_local! {
    // One for each thread is enough, since a WebSocket never leaves its thread.
    static NEXT_ID: Cell<u64> = const { Cell::new(0) };
}

/// A handle on a WebSocket: for its own handlers, and for other code that keeps it to send
/// messages.
///
/// Cheap to clone. It does not keep the connection open: once that is over, sends and the like fail
/// with [`WebSocketGone`].
///
/// - A send never waits: the message is buffered if the peer is slow. For backpressure, wait for
///   [`ready`](Self::ready), which fires when the peer has received most of it. The connection's
///   [`WriteLimits`](reactor::WriteLimits) limit what is buffered for a peer that receives nothing.
/// - The peer is not read from while more than 64 KiB of answers to its messages wait.
///
/// # Examples
///
/// Ticks from a timer, for all open WebSockets:
///
/// ```
/// use reactor_web::App;
/// use reactor_web::testing::TestClient;
/// use reactor_web::ws::{WebSocket, WebSocketProtocol};
/// use std::{cell::RefCell, rc::Rc, time::Duration};
///
/// #[derive(Clone, Default)]
/// struct Listener(Rc<RefCell<Vec<WebSocket>>>);
///
/// impl WebSocketProtocol for Listener {
///     fn on_open(&mut self, ws: &WebSocket) -> deferred::Result<()> {
///         self.0.borrow_mut().push(ws.clone());
///         Ok(())
///     }
/// }
///
/// let listeners = Listener::default();
/// let each = listeners.clone();
/// let client = TestClient::new(App::new().get("/", move |req| req.websocket(each.clone())))?;
/// let tick = move || listeners.0.borrow_mut().retain(|ws| ws.send_text("tick").is_ok());
/// client.reactor().call_later(Duration::from_secs(1), tick);
///
/// let socket = client.websocket("/");
/// client.advance(Duration::from_secs(1));
/// assert_eq!(socket.texts(), ["tick"]);
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Clone)]
pub struct WebSocket(pub(super) Rc<Shared>);

/// State that the connection and its handles share.
pub(super) struct Shared {
    id: u64,
    pub(super) role: Role,
    pub(super) is_deflating: bool,
    subprotocol: Option<String>,
    reactor: ReactorHandle,
    peer: Address,
    /// The connection. Set when the WebSocket opens.
    // Not cleared: after the end, its methods return `Gone`.
    pub(super) link: OnceCell<Box<dyn Link>>,
    // Changes only forward, from `Opening` to `Closed`.
    pub(super) state: Cell<State>,
    /// Code and reason of a `close` before the WebSocket has opened.
    // Set by `close` while the state is `Opening`; taken by `connection_made`.
    pub(super) early_close: RefCell<Option<(CloseCode, String)>>,
    /// Output of the running handler, sent in one write when it returns.
    // Filled only while `is_handling`. Not borrowed while the connection writes.
    pub(super) output: RefCell<Vec<u8>>,
    /// Set while a handler runs.
    // Set before each call of a handler, cleared by `after_handler`.
    pub(super) is_handling: Cell<bool>,
    /// Number of `pause_reading` calls without their `resume_reading`.
    // While it is above 0, a peer that is silent is not pinged or aborted.
    pub(super) pauses: Cell<usize>,
    /// Set when the connection is over. The state is `Closed` before that, once both sides have
    /// closed.
    // Set by `end`, and not cleared.
    is_over: Cell<bool>,
    // Fired after `on_close`.
    pub(super) closed: RefCell<Vec<Trigger<CloseEvent>>>,
    /// Callbacks for the end of the connection, before `on_close`.
    // One for each `Rooms` of which this WebSocket was ever a member. Taken out before they are
    // called.
    leaves: RefCell<Vec<Box<dyn FnOnce(&WebSocket)>>>,
}

/// The connection below, as its handles use it.
pub(super) trait Link {
    fn write(&self, pieces: &[&[u8]]) -> Result<(), Gone>;
    fn ready(&self) -> Deferred<()>;
    /// Number of bytes that wait to be sent.
    fn buffered(&self) -> usize;
    fn pause_reading(&self) -> Result<(), Gone>;
    fn resume_reading(&self) -> Result<(), Gone>;
    fn abort(&self);
    /// Limits the time in which the peer has to close, after this side has.
    fn wait_for_close(&self);
}

/// ```text
///  Opening ──▶ Open ──close──▶ Closing ──the peer closes──▶ Closed
///                └──────────the peer closes, an error───────────┘
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The handshake goes on.
    Opening,
    Open,
    /// This side has sent its close, and waits for the peer's.
    Closing,
    /// Nothing is sent or received any more.
    Closed,
}

impl WebSocket {
    pub(super) fn new(
        role: Role,
        is_deflating: bool,
        subprotocol: Option<String>,
        reactor: &ReactorHandle,
        peer: &Address,
    ) -> Self {
        Self(Rc::new(Shared {
            id: NEXT_ID.replace(NEXT_ID.get() + 1),
            role,
            is_deflating,
            subprotocol,
            reactor: reactor.clone(),
            peer: peer.clone(),
            link: OnceCell::new(),
            state: Cell::new(State::Opening),
            early_close: RefCell::default(),
            output: RefCell::default(),
            is_handling: Cell::new(false),
            pauses: Cell::new(0),
            is_over: Cell::new(false),
            closed: RefCell::default(),
            leaves: RefCell::default(),
        }))
    }

    /// Sends a text.
    ///
    /// # Errors
    ///
    /// [`WebSocketGone`] if the WebSocket is closing or closed; the text is not sent.
    #[doc(alias = "sendMessage")]
    pub fn send_text(&self, text: impl AsRef<str>) -> Result<(), WebSocketGone> {
        self.send(Message::Text(text.as_ref()))
    }

    /// Sends bytes.
    ///
    /// # Errors
    ///
    /// As for [`send_text`](Self::send_text).
    pub fn send_binary(&self, data: impl AsRef<[u8]>) -> Result<(), WebSocketGone> {
        self.send(Message::Binary(data.as_ref()))
    }

    /// Sends a message.
    ///
    /// # Errors
    ///
    /// As for [`send_text`](Self::send_text).
    #[expect(
        single_use_lifetimes,
        reason = "`impl Trait` takes no anonymous lifetime yet"
    )]
    pub fn send<'a>(&self, message: impl Into<Message<'a>>) -> Result<(), WebSocketGone> {
        self.send_message(message.into())
    }

    /// Sends a ping with up to 125 bytes of data, which comes back as a pong. Pings are also sent
    /// automatically: see
    /// [`WebSocketOptions::ping_interval`](super::WebSocketOptions::ping_interval).
    ///
    /// # Errors
    ///
    /// As for [`send_text`](Self::send_text).
    pub fn ping(&self, data: impl AsRef<[u8]>) -> Result<(), WebSocketGone> {
        let data = data.as_ref();
        self.send_frame(frame::PING, false, &data[..data.len().min(frame::CONTROL)])
    }

    /// Closes the WebSocket, with a code and a reason of up to 123 bytes; a longer one is cut.
    /// Messages sent before still go out. Messages received after that are dropped, and the
    /// connection ends when the peer has closed, too, or
    /// [`close_timeout`](super::WebSocketOptions::close_timeout) is over.
    ///
    /// If the code must not be sent (RFC 6455, section 7.4), 1000 is sent instead.
    #[doc(alias = "sendClose")]
    pub fn close(&self, code: CloseCode, reason: impl AsRef<str>) {
        let shared = &self.0;
        match shared.state.get() {
            State::Opening => {
                let reason = reason.as_ref().to_owned();
                shared.early_close.replace(Some((code, reason)));
            }
            State::Open => {
                self.send_close(code, reason.as_ref());
                shared.state.set(State::Closing);
                if let Some(link) = shared.link.get() {
                    link.wait_for_close();
                }
            }
            State::Closing | State::Closed => {}
        }
    }

    /// Ends the connection at once, without a close; what was not sent is dropped.
    pub fn abort(&self) {
        if let Some(link) = self.0.link.get() {
            link.abort();
        }
    }

    /// Fires when no more than 64 KiB wait to be sent.
    ///
    /// # Errors
    ///
    /// [`WebSocketGone`] if the connection is over, or ends before.
    #[doc(alias = "bufferedAmount")]
    pub fn ready(&self) -> Deferred<()> {
        match self.0.link.get() {
            Some(link) => link.ready().add_errback(|failure| {
                Err(match failure.is::<Gone>() {
                    true => WebSocketGone.into(),
                    false => failure,
                })
            }),
            None if self.is_gone() => fail(WebSocketGone),
            None => succeed(()),
        }
    }

    /// Number of bytes that wait to be sent.
    pub fn buffered(&self) -> usize {
        let waiting = self.0.link.get().map_or(0, |link| link.buffered());
        waiting + self.0.output.borrow().len()
    }

    /// Stops reading from the peer, until [`resume_reading`](Self::resume_reading) was called as
    /// many times. Until then, the peer's pings are not answered, and a silent peer is not aborted.
    ///
    /// # Errors
    ///
    /// [`WebSocketGone`] if the connection is over.
    pub fn pause_reading(&self) -> Result<(), WebSocketGone> {
        let link = self.link()?;
        link.pause_reading().map_err(|_gone| WebSocketGone)?;
        self.0.pauses.set(self.0.pauses.get() + 1);
        Ok(())
    }

    /// Ends a pause of reading.
    ///
    /// # Errors
    ///
    /// [`WebSocketGone`] if the connection is over.
    pub fn resume_reading(&self) -> Result<(), WebSocketGone> {
        let link = self.link()?;
        link.resume_reading().map_err(|_gone| WebSocketGone)?;
        // Saturated, since there may be a resume without a pause.
        self.0.pauses.set(self.0.pauses.get().saturating_sub(1));
        Ok(())
    }

    /// Fires when the connection is over, after [`on_close`](super::WebSocketProtocol::on_close).
    ///
    /// # Errors
    ///
    /// [`WebSocketGone`] if it is over already.
    pub fn closed(&self) -> Deferred<CloseEvent> {
        if self.0.is_over.get() {
            return fail(WebSocketGone);
        }
        let (trigger, closed) = Deferred::pair();
        self.0.closed.borrow_mut().push(trigger);
        closed
    }

    /// Whether the WebSocket is closing or closed, so that nothing can be sent.
    pub fn is_gone(&self) -> bool {
        matches!(self.0.state.get(), State::Closing | State::Closed)
    }

    /// The subprotocol that the handshake has agreed on.
    pub fn subprotocol(&self) -> Option<&str> {
        self.0.subprotocol.as_deref()
    }

    /// Whether messages are compressed.
    pub fn is_deflating(&self) -> bool {
        self.0.is_deflating
    }

    /// The address of the other side.
    #[doc(alias = "peer_addr")]
    pub fn peer(&self) -> &Address {
        &self.0.peer
    }

    /// The reactor: for delayed calls, threads, and connections to other servers.
    pub fn reactor(&self) -> &ReactorHandle {
        &self.0.reactor
    }

    pub(super) fn link(&self) -> Result<&dyn Link, WebSocketGone> {
        self.0.link.get().map(|link| &**link).ok_or(WebSocketGone)
    }

    pub(super) fn id(&self) -> u64 {
        self.0.id
    }

    /// Calls `leave` when the connection is over, before `on_close`.
    pub(super) fn on_leave(&self, leave: impl FnOnce(&Self) + 'static) {
        self.0.leaves.borrow_mut().push(Box::new(leave));
    }

    /// The connection is over: nothing is sent from now on, and it leaves its rooms.
    pub(super) fn end(&self) {
        self.0.is_over.set(true);
        // Set first, so that nothing is sent to a WebSocket that leaves.
        self.0.state.set(State::Closed);
        for leave in self.0.leaves.take() {
            leave(self);
        }
    }
}

/// Handles are equal if they belong to the same WebSocket.
impl PartialEq for WebSocket {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for WebSocket {}

impl Hash for WebSocket {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id.hash(state);
    }
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("peer", &self.0.peer)
            .field("state", &self.0.state.get())
            .finish_non_exhaustive()
    }
}
