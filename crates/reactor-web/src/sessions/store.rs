//! `SessionStore`: where the values of sessions are kept.

use std::fmt;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use deferred::Deferred;
use reactor::ReactorHandle;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a session is between two requests. A store keeps it as it is; it has a form in JSON.
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
    /// When it was used last, or a little before that.
    pub(super) used: u64,
}

/// Seconds since 1970.
pub(super) fn seconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    // A clock before 1970 is not set.
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

/// Where the values of sessions are kept, between two requests.
///
/// A session is known by its token, which is the value of its cookie. It is to be a secret that
/// cannot be guessed, of characters that may stand in a cookie.
///
/// # Examples
///
/// One in which values are kept for ever; the tokens of [`MemoryStore`](super::MemoryStore) are
/// random:
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
    /// What is kept for `token`; `None` if there is no such session.
    fn load(&self, reactor: &ReactorHandle, token: &str) -> Deferred<Option<SessionData>>;

    /// Keeps `data` for `lifetime`, for a new session, or in place of what was kept for `token`.
    /// The result is the token from now on.
    ///
    /// It is `None` if there is nothing for `token` any more, and nothing is kept then: another
    /// request has ended the session, and this one, which began before, may not bring it back.
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
