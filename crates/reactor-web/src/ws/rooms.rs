//! `Rooms`: groups of WebSockets that get the same messages.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::rc::Rc;

use super::close::{CloseCode, WebSocketGone};
use super::deflate;
use super::frame::{self, Role};
use super::handle::WebSocket;
use super::message::Message;
use super::output::opcode;

/// Rooms by name. The members of a room get each message that is sent to it.
///
/// - A message is encoded once, for all members, and compressed at most once.
/// - A member is removed when its WebSocket is over; a room without members takes no memory.
/// - **A member that reads too slowly** holds up neither the sender nor the other members: while
///   more than 1 MiB waits for it, the next message closes it with code 1008, or, with
///   [`skipping_slow_members`](Self::skipping_slow_members), is skipped for it.
///
/// Cheap to clone: clones share the same rooms.
///
/// # Examples
///
/// ```
/// use reactor_web::App;
/// use reactor_web::testing::TestClient;
/// use reactor_web::ws::{CloseEvent, Rooms, WebSocket, WebSocketProtocol};
///
/// struct Guest(Rooms);
///
/// impl WebSocketProtocol for Guest {
///     fn on_open(&mut self, ws: &WebSocket) -> deferred::Result<()> {
///         self.0.join("lobby", ws);
///         Ok(())
///     }
///
///     fn on_text(&mut self, _: &WebSocket, text: &str) -> deferred::Result<()> {
///         self.0.broadcast("lobby", text);
///         Ok(())
///     }
///
///     fn on_close(&mut self, _: &WebSocket, _: &CloseEvent) {
///         self.0.broadcast("lobby", "a guest has left");
///     }
/// }
///
/// let rooms = Rooms::new();
/// let client = TestClient::new(App::new().get("/", move |req| req.websocket(Guest(rooms.clone()))))?;
/// let (ann, bob) = (client.websocket("/"), client.websocket("/"));
/// ann.send_text("hello");
/// assert_eq!(bob.texts(), ["hello"]);
/// drop(ann);
/// assert_eq!(bob.texts(), ["a guest has left"]);
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Clone, Default)]
pub struct Rooms(Rc<Shared>);

struct Shared {
    state: RefCell<State>,
    max_unsent: usize,
    skips_slow: bool,
}

#[derive(Default)]
struct State {
    rooms: HashMap<String, Members>,
    /// The rooms of each WebSocket that has ever joined one, until its connection is over.
    // An entry stays when the last room is left: it shows that the callback of `on_leave` is
    // registered already.
    joined: HashMap<u64, HashSet<String>>,
}

impl State {
    /// Removes a member; returns its handle, which must be dropped when nothing is borrowed.
    fn remove(&mut self, room: &str, id: u64) -> Option<WebSocket> {
        let members = self.rooms.get_mut(room)?;
        let left = members.remove(&id);
        if members.is_empty() {
            self.rooms.remove(room);
        }
        left
    }
}

/// Most bytes that may wait for a member.
const MAX_UNSENT: usize = 1024 * 1024;

/// By the id of the WebSocket, so in the order in which they were opened.
type Members = BTreeMap<u64, WebSocket>;

impl Default for Shared {
    fn default() -> Self {
        Self {
            state: RefCell::default(),
            max_unsent: MAX_UNSENT,
            skips_slow: false,
        }
    }
}

impl Rooms {
    /// A set without rooms: a room is made when it is joined.
    pub fn new() -> Self {
        Self::default()
    }

    /// New rooms, with this number of bytes that may wait for a member, instead of 1 MiB.
    #[must_use]
    pub fn with_max_unsent(self, max_unsent: usize) -> Self {
        let skips_slow = self.0.skips_slow;
        Self::made_of(max_unsent, skips_slow)
    }

    /// New rooms, where a member that reads too slowly misses messages, and is not closed.
    #[must_use]
    pub fn skipping_slow_members(self) -> Self {
        Self::made_of(self.0.max_unsent, true)
    }

    fn made_of(max_unsent: usize, skips_slow: bool) -> Self {
        Self(Rc::new(Shared {
            state: RefCell::default(),
            max_unsent,
            skips_slow,
        }))
    }

    /// Makes `ws` a member of `room`; it may be in any number of rooms. Nothing happens if it is a
    /// member already, or is closed.
    pub fn join(&self, room: &str, ws: &WebSocket) {
        if ws.is_gone() {
            return;
        }
        let state = &mut *self.0.state.borrow_mut();
        // A replaced handle is one of the same WebSocket, so its drop is not the last one, and runs
        // no code under the borrow.
        let members = state.rooms.entry(room.to_owned()).or_default();
        members.insert(ws.id(), ws.clone());
        let is_new = !state.joined.contains_key(&ws.id());
        let joined = state.joined.entry(ws.id()).or_default();
        joined.insert(room.to_owned());
        if is_new {
            // Weak, since the WebSocket may outlive the rooms.
            let shared = Rc::downgrade(&self.0);
            ws.on_leave(move |ws| {
                if let Some(shared) = shared.upgrade() {
                    Self(shared).leave_all(ws);
                }
            });
        }
    }

    /// Removes `ws` from `room`; returns whether it was a member.
    pub fn leave(&self, room: &str, ws: &WebSocket) -> bool {
        let mut state = self.0.state.borrow_mut();
        if let Some(joined) = state.joined.get_mut(&ws.id()) {
            joined.remove(room);
        }
        let left = state.remove(room, ws.id());
        drop(state);
        left.is_some()
    }

    /// Removes a WebSocket that is over from all rooms.
    fn leave_all(&self, ws: &WebSocket) {
        let mut state = self.0.state.borrow_mut();
        let joined = state.joined.remove(&ws.id()).unwrap_or_default();
        let rooms = joined.iter();
        // Dropped after the borrow: the drop of the last handle abandons its triggers, which runs
        // callbacks.
        let left: Vec<_> = rooms.map(|room| state.remove(room, ws.id())).collect();
        drop(state);
        drop(left);
    }

    /// Sends a message to all members of `room`; returns the number of members that get it.
    #[expect(
        single_use_lifetimes,
        reason = "`impl Trait` takes no anonymous lifetime yet"
    )]
    pub fn broadcast<'a>(&self, room: &str, message: impl Into<Message<'a>>) -> usize {
        self.send(room, message.into(), None)
    }

    /// As [`broadcast`](Self::broadcast), but not to `sender`.
    #[expect(
        single_use_lifetimes,
        reason = "`impl Trait` takes no anonymous lifetime yet"
    )]
    pub fn broadcast_from<'a>(
        &self,
        sender: &WebSocket,
        room: &str,
        message: impl Into<Message<'a>>,
    ) -> usize {
        self.send(room, message.into(), Some(sender.id()))
    }

    fn send(&self, room: &str, message: Message<'_>, without: Option<u64>) -> usize {
        // A copy, so that nothing is borrowed during the sends: a filter may call code of users.
        let members = self.members(room);
        let encoded = Encoded::new(message);
        let mut count = 0;
        for ws in members {
            if Some(ws.id()) == without {
                continue;
            }
            // Checked before the send, so one message may exceed the bound: otherwise a message
            // longer than the bound would reach no member.
            if ws.buffered() > self.0.max_unsent {
                if !self.0.skips_slow {
                    ws.close(CloseCode::POLICY, "too slow");
                }
                continue;
            }
            // Errs if the member is closing: then it gets no more messages.
            count += usize::from(encoded.send_to(&ws).is_ok());
        }
        count
    }

    /// The members of `room`, in the order in which they were opened.
    pub fn members(&self, room: &str) -> Vec<WebSocket> {
        let state = self.0.state.borrow();
        let members = state.rooms.get(room);
        members.map_or_else(Vec::new, |members| members.values().cloned().collect())
    }

    /// The rooms that have members, in no particular order.
    pub fn names(&self) -> Vec<String> {
        self.0.state.borrow().rooms.keys().cloned().collect()
    }
}

/// A message that is encoded once for many members.
struct Encoded<'a> {
    message: Message<'a>,
    // Encoded when the first member needs it: perhaps all members want it compressed, or the room
    // is empty.
    plain: OnceCell<Vec<u8>>,
    /// The compressed frame. The inner value is `None` if compression does not make the message
    /// smaller.
    small: OnceCell<Option<Vec<u8>>>,
}

impl<'a> Encoded<'a> {
    fn new(message: Message<'a>) -> Self {
        Self {
            message,
            plain: OnceCell::new(),
            small: OnceCell::new(),
        }
    }

    fn send_to(&self, ws: &WebSocket) -> Result<(), WebSocketGone> {
        if ws.0.role == Role::Client {
            // Each frame of a client has a mask of its own.
            return ws.send(self.message);
        }
        if ws.is_deflating()
            && let Some(small) = self.small.get_or_init(|| self.compress())
        {
            return ws.send_encoded(small);
        }
        ws.send_encoded(
            self.plain
                .get_or_init(|| self.encode(false, self.message.as_bytes())),
        )
    }

    fn encode(&self, is_compressed: bool, payload: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        let opcode = opcode(self.message);
        frame::encode(&mut frame, Role::Server, opcode, is_compressed, payload);
        frame
    }

    fn compress(&self) -> Option<Vec<u8>> {
        let small = deflate::smaller(self.message.as_bytes())?;
        Some(self.encode(true, &small))
    }
}

impl fmt::Debug for Rooms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.state.borrow();
        let rooms = state.rooms.iter();
        f.debug_map()
            .entries(rooms.map(|(room, members)| (room, members.len())))
            .finish()
    }
}
