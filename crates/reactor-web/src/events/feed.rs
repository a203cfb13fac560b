//! `EventFeed`: the same events to many clients.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::rc::Rc;

use bytes::Bytes;

use super::event::Event;
use super::sender::{EventSender, Events};
use crate::request::Request;

/// Sends events to all clients that have subscribed. An event is encoded once for all of them.
///
/// - **Slow clients**: a client for which 64 KiB wait to be sent gets no more events: its stream
///   ends after those that wait. A browser connects again, and gets the events that it has missed
///   from the history, if there is one.
/// - **History**: [`with_history`](Self::with_history) keeps the last events. A client that
///   connects again gets those after the one that it had last (`Last-Event-ID`), or all of them if
///   that one is no longer kept. A client that connects for the first time gets none of them.
/// - A client that goes is removed at once. When the site [finishes](crate::Site::finish), all
///   streams end.
///
/// A handle, cheap to clone.
///
/// # Examples
///
/// ```
/// use reactor_web::{App, Event, EventFeed, testing::TestClient};
///
/// let feed = EventFeed::new();
/// let news = feed.clone();
/// let app = App::new().get("/news", move |req| news.subscribe(&req));
/// let client = TestClient::new(app)?;
/// let (ann, bob) = (client.start_get("/news"), client.start_get("/news"));
/// assert_eq!(feed.subscribers(), 2);
/// feed.send(&Event::data("it rains"));
/// feed.end();
/// assert_eq!(ann.answer().text(), "data: it rains\n\n");
/// assert_eq!(bob.answer().text(), "data: it rains\n\n");
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Clone, Default)]
pub struct EventFeed(Rc<RefCell<State>>);

#[derive(Default)]
struct State {
    /// By a number that is never reused, so in the order in which they came.
    // Not borrowed while something is sent, or a sender is dropped: both run code of users.
    subscribers: BTreeMap<u64, EventSender>,
    next: u64,
    history: VecDeque<Kept>,
    /// Most events that are kept.
    capacity: usize,
}

/// An event that was sent.
struct Kept {
    id: String,
    event: Bytes,
}

impl State {
    fn insert(&mut self, sender: EventSender) -> u64 {
        let key = self.next;
        self.next += 1;
        self.subscribers.insert(key, sender);
        key
    }
}

impl EventFeed {
    /// A feed that keeps no events.
    pub fn new() -> Self {
        Self::default()
    }

    /// A feed that keeps the last `count` events that have an id.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor_web::{App, Event, EventFeed, testing::TestClient};
    ///
    /// let feed = EventFeed::with_history(2);
    /// for id in 1..=3 {
    ///     feed.send(&Event::data(format!("news {id}")).with_id(id.to_string()));
    /// }
    /// let news = feed.clone();
    /// let client = TestClient::new(App::new().get("/", move |req| {
    ///     let events = news.subscribe(&req);
    ///     news.end();
    ///     events
    /// }))?;
    /// let answer = client.get_with("/", &[("last-event-id", "2")]);
    /// assert_eq!(answer.text(), "id: 3\ndata: news 3\n\n");
    /// # Ok::<(), deferred::Failure>(())
    /// ```
    pub fn with_history(count: usize) -> Self {
        let state = State {
            capacity: count,
            ..State::default()
        };
        Self(Rc::new(RefCell::new(state)))
    }

    /// The answer with the events from now on, after those of the history that the client has
    /// missed.
    pub fn subscribe(&self, request: &Request) -> Events {
        self.subscribe_to(request, request.last_event_id())
    }

    /// As [`subscribe`](Self::subscribe) for a client that had the event with the id `last` last,
    /// whatever its `Last-Event-ID` says. With an id that no kept event has, all of the history is
    /// sent.
    pub fn subscribe_after(&self, request: &Request, last: &str) -> Events {
        self.subscribe_to(request, Some(last))
    }

    fn subscribe_to(&self, request: &Request, last: Option<&str>) -> Events {
        let (sender, events) = Events::channel(request);
        for event in self.missed(last) {
            // Fails if the client is gone: then there is nothing to send.
            sender.write(event).ignore();
        }
        // After the history was written: an event that is sent in between would come before it.
        let key = self.0.borrow_mut().insert(sender);
        // Weak, since the connection holds the callback, which would keep the feed alive.
        let weak = Rc::downgrade(&self.0);
        let remove = move || {
            if let Some(state) = weak.upgrade() {
                let removed = state.borrow_mut().subscribers.remove(&key);
                drop(removed);
            }
        };
        // Fails if the client goes; the client is removed then, too.
        request.notify_finish().add_both(move |_| remove()).ignore();
        events
    }

    /// Sends `event` to all subscribers.
    pub fn send(&self, event: &Event) {
        let bytes = event.encode();
        let mut state = self.0.borrow_mut();
        // An event without an id cannot be named by `Last-Event-ID`, so it is not kept.
        if state.capacity > 0
            && let Some(id) = event.id()
        {
            if state.history.len() == state.capacity {
                state.history.pop_front();
            }
            let (id, event) = (id.into_owned(), bytes.clone());
            state.history.push_back(Kept { id, event });
        }
        let subscribers = state.subscribers.clone();
        // Sending may run any code, such as callbacks for a client that goes.
        drop(state);
        for (key, sender) in subscribers {
            if sender.is_full() {
                let removed = self.0.borrow_mut().subscribers.remove(&key);
                drop(removed);
                sender.end();
            } else {
                // Fails if the client is gone: its removal is under way.
                sender.write(bytes.clone()).ignore();
            }
        }
    }

    /// Number of clients that have subscribed and are still connected.
    pub fn subscribers(&self) -> usize {
        self.0.borrow().subscribers.len()
    }

    /// Ends all streams, after what was sent. Clients that subscribe later are not affected.
    pub fn end(&self) {
        let subscribers = std::mem::take(&mut self.0.borrow_mut().subscribers);
        for (_, sender) in subscribers {
            sender.end();
        }
    }

    /// The events after the one with the id `last`.
    fn missed(&self, last: Option<&str>) -> Vec<Bytes> {
        let state = self.0.borrow();
        let Some(last) = last else {
            return Vec::new();
        };
        // The last one with this id: an id may be used twice.
        let known = state.history.iter().rposition(|kept| kept.id == last);
        let begin = known.map_or(0, |place| place + 1);
        state
            .history
            .iter()
            .skip(begin)
            .map(|kept| kept.event.clone())
            .collect()
    }
}

impl fmt::Debug for EventFeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.borrow();
        f.debug_struct("EventFeed")
            .field("subscribers", &state.subscribers.len())
            .field("history", &state.history.len())
            .finish_non_exhaustive()
    }
}
