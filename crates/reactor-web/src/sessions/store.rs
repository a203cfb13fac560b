//! `SessionStore`: where the values of sessions are kept.

use std::fmt;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use deferred::Deferred;
use reactor::ReactorHandle;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The data of a session between two requests. A store keeps it without a change, for example as
/// JSON.
///
/// # Examples
///
/// ```
/// use reactor_web::sessions::SessionData;
///
/// let text = r#"{"values":{"user":"ann"},"created":7,"used":9}"#;
/// let data: SessionData = serde_json::from_str(text)?;
/// assert_eq!(serde_json::to_string(&data)?, text);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Default, Deserialize, Serialize)]
pub struct SessionData {
    pub(super) values: Map<String, Value>,
    /// When the session was made, in seconds since 1970.
    pub(super) created: u64,
    /// When the session was used last, in seconds since 1970; up to a tenth of the idle time too
    /// early.
    pub(super) used: u64,
}

/// Seconds since 1970.
pub(super) fn seconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    // A clock before 1970 was never set, and counts as 0.
    since.map_or(0, |since| since.as_secs())
}

/// Without the values, which may be secrets.
impl fmt::Debug for SessionData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionData")
            .field("created", &self.created)
            .field("used", &self.used)
            .finish_non_exhaustive()
    }
}

/// Keeps the values of sessions between two requests.
///
/// A session is known by its token, which is the value of its cookie. The token has to be a secret
/// that cannot be guessed, of characters that are allowed in a cookie.
///
/// # Examples
///
/// A store that never forgets, with tokens that can be guessed; use random ones, as
/// [`MemoryStore`](super::MemoryStore) does:
///
/// ```
/// use deferred::{Deferred, succeed};
/// use reactor::ReactorHandle;
/// use reactor_web::App;
/// use reactor_web::sessions::{SessionData, SessionStore, Sessions};
/// use std::{cell::RefCell, collections::HashMap, time::Duration};
///
/// #[derive(Default)]
/// struct Kept(RefCell<HashMap<String, SessionData>>);
///
/// impl SessionStore for Kept {
///     fn load(&self, _: &ReactorHandle, token: &str) -> Deferred<Option<SessionData>> {
///         succeed(self.0.borrow().get(token).cloned())
///     }
///
///     fn save(
///         &self,
///         _: &ReactorHandle,
///         token: Option<&str>,
///         data: &SessionData,
///         _lifetime: Duration,
///     ) -> Deferred<Option<String>> {
///         let mut kept = self.0.borrow_mut();
///         let token = match token {
///             Some(token) if !kept.contains_key(token) => return succeed(None),
///             Some(token) => token.to_owned(),
///             None => format!("guess-{}", kept.len()),
///         };
///         kept.insert(token.clone(), data.clone());
///         succeed(Some(token))
///     }
///
///     fn remove(&self, _: &ReactorHandle, token: &str) -> Deferred<()> {
///         self.0.borrow_mut().remove(token);
///         succeed(())
///     }
/// }
///
/// App::new().wrap(Sessions::new(Kept::default())).into_site()?;
/// # Ok::<(), deferred::Failure>(())
/// ```
pub trait SessionStore: 'static {
    /// The data kept for `token`; `None` if there is no such session.
    fn load(&self, reactor: &ReactorHandle, token: &str) -> Deferred<Option<SessionData>>;

    /// Keeps `data` for `lifetime`: for a new session if `token` is `None`, else in place of the
    /// data of that session. The result is the token from now on.
    ///
    /// The result is `None`, and nothing is kept, if there is no session `token` any more: another
    /// request has ended it, and this one, which began before, must not bring it back.
    fn save(
        &self,
        reactor: &ReactorHandle,
        token: Option<&str>,
        data: &SessionData,
        lifetime: Duration,
    ) -> Deferred<Option<String>>;

    /// Forgets the session, if there is one.
    fn remove(&self, reactor: &ReactorHandle, token: &str) -> Deferred<()>;
}

/// The same store for several apps.
impl<S: SessionStore + ?Sized> SessionStore for Rc<S> {
    fn load(&self, reactor: &ReactorHandle, token: &str) -> Deferred<Option<SessionData>> {
        (**self).load(reactor, token)
    }

    fn save(
        &self,
        reactor: &ReactorHandle,
        token: Option<&str>,
        data: &SessionData,
        lifetime: Duration,
    ) -> Deferred<Option<String>> {
        (**self).save(reactor, token, data, lifetime)
    }

    fn remove(&self, reactor: &ReactorHandle, token: &str) -> Deferred<()> {
        (**self).remove(reactor, token)
    }
}
