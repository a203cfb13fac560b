//! `MemoryStore`: sessions in the memory of this process.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use std::time::Duration;

use deferred::{Deferred, Result, succeed};
use reactor::ReactorHandle;

use super::store::{SessionData, SessionStore};
use crate::random;

/// Sessions that are kept.
const MAX_SESSIONS: usize = 10_000;

/// Sessions in the memory of this process: gone when it ends, and known to one loop.
///
/// At most 10,000 of them; one more, and the one goes that would expire first, which was not used
/// for the longest time. Tokens are 256 random bits.
///
/// # Examples
///
/// ```
/// use reactor_web::App;
/// use reactor_web::sessions::{MemoryStore, Sessions};
/// use std::rc::Rc;
///
/// let store = Rc::new(MemoryStore::new().max_sessions(100));
/// App::new().wrap(Sessions::new(Rc::clone(&store))).into_site()?;
/// assert_eq!(store.len(), 0);
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Debug)]
pub struct MemoryStore {
    max_sessions: usize,
    kept: RefCell<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    sessions: HashMap<Rc<str>, (Duration, SessionData)>,
    /// By the time at which they expire.
    // With the same pairs as `sessions`. The token makes pairs of the same time differ.
    order: BTreeSet<(Duration, Rc<str>)>,
}

impl Kept {
    fn remove(&mut self, token: &str) -> bool {
        let Some((token, (end, _))) = self.sessions.remove_entry(token) else {
            return false;
        };
        self.order.remove(&(end, token))
    }

    /// Drops what has expired, and what would first as long as there are more than `most`.
    fn shrink(&mut self, now: Duration, most: usize) {
        while let Some((end, _)) = self.order.first()
            && (*end <= now || self.sessions.len() > most)
            && let Some((_, token)) = self.order.pop_first()
        {
            self.sessions.remove(&token);
        }
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self {
            max_sessions: MAX_SESSIONS,
            kept: RefCell::default(),
        }
    }

    /// With at most this number of sessions, and one at least.
    #[must_use]
    pub fn max_sessions(mut self, sessions: usize) -> Self {
        self.max_sessions = sessions.max(1);
        self
    }

    /// Number of sessions that are kept; those that have expired go when the next one is used.
    pub fn len(&self) -> usize {
        self.kept.borrow().sessions.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn insert(
        &self,
        now: Duration,
        token: Option<&str>,
        data: &SessionData,
        lifetime: Duration,
    ) -> Result<Option<String>> {
        let mut kept = self.kept.borrow_mut();
        kept.shrink(now, self.max_sessions);
        let token = match token {
            // Another request has ended it: this one, which began before, may not bring it back.
            Some(token) if !kept.remove(token) => return Ok(None),
            Some(token) => token.to_owned(),
            None => {
                // Room for one: `max_sessions` is 1 at least.
                kept.shrink(now, self.max_sessions - 1);
                // 256 bits cannot be guessed, so a lookup by a map does not have to take constant
                // time.
                random::hex(&random::bytes::<32>()?)
            }
        };
        // Saturated, because the lifetime may be `Duration::MAX`.
        let (key, end) = (Rc::<str>::from(&*token), now.saturating_add(lifetime));
        kept.order.insert((end, Rc::clone(&key)));
        kept.sessions.insert(key, (end, data.clone()));
        Ok(Some(token))
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl SessionStore for MemoryStore {
    fn load(&self, reactor: &ReactorHandle, token: &str) -> Deferred<Option<SessionData>> {
        let mut kept = self.kept.borrow_mut();
        kept.shrink(reactor.now(), self.max_sessions);
        succeed(kept.sessions.get(token).map(|(_, data)| data.clone()))
    }

    fn save(
        &self,
        reactor: &ReactorHandle,
        token: Option<&str>,
        data: &SessionData,
        lifetime: Duration,
    ) -> Deferred<Option<String>> {
        self.insert(reactor.now(), token, data, lifetime).into()
    }

    fn remove(&self, _: &ReactorHandle, token: &str) -> Deferred<()> {
        self.kept.borrow_mut().remove(token);
        succeed(())
    }
}
