//! `MemoryStore`: keeps sessions in the memory of this process.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use std::time::Duration;

use deferred::{Deferred, Result, succeed};
use reactor::ReactorHandle;

use super::store::{SessionData, SessionStore};
use crate::random;

/// Most sessions that are kept, unless `max_sessions` sets another number.
const MAX_SESSIONS: usize = 10_000;

/// Keeps sessions in the memory of this process: they are lost when it ends, and only this loop's
/// thread knows them.
///
/// Keeps at most 10,000 sessions. Beyond that, the session that would expire first is dropped,
/// usually the one that was not used for the longest time. Tokens are 256 random bits.
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
    /// The tokens, in the order in which their sessions expire.
    // Each session of `sessions` is here once. The token is part of the key, since several sessions
    // may expire at the same time.
    order: BTreeSet<(Duration, Rc<str>)>,
}

impl Kept {
    fn remove(&mut self, token: &str) -> bool {
        let Some((token, (end, _))) = self.sessions.remove_entry(token) else {
            return false;
        };
        self.order.remove(&(end, token))
    }

    /// Drops the sessions that have expired, and those that would expire first while there are more
    /// than `most`.
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

    /// Sets the most sessions that are kept; 0 counts as 1.
    #[must_use]
    pub fn max_sessions(mut self, sessions: usize) -> Self {
        self.max_sessions = sessions.max(1);
        self
    }

    /// Number of sessions that are kept; expired sessions are dropped when the store is used next.
    pub fn len(&self) -> usize {
        self.kept.borrow().sessions.len()
    }

    /// Whether no session is kept.
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
            // Another request has ended the session: this one, which began before, must not bring
            // it back.
            Some(token) if !kept.remove(token) => return Ok(None),
            Some(token) => token.to_owned(),
            None => {
                // Makes room for the new session: `max_sessions` is at least 1.
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
