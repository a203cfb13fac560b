//! `Sessions`: the middleware that loads and saves sessions.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use cookie::{Cookie, SameSite};
use deferred::{Deferred, succeed};
use http::{HeaderValue, header};
use reactor::ReactorHandle;
use send_wrapper::SendWrapper;

use super::memory::MemoryStore;
use super::session::{Attached, Change, Session};
use super::store::{SessionData, SessionStore, seconds};
use crate::app::{Middleware, Next};
use crate::request::Request;
use crate::response::{Answer, Response};

/// Default of the time after which an unused session ends.
const IDLE_TIME: Duration = Duration::from_secs(1800);

/// Default of the time after which a session ends, used or not.
const ABSOLUTE_TIME: Duration = Duration::from_secs(43_200);

/// Gives browsers sessions, by a cookie: see the [module](super).
///
/// | setting | default |
/// |---|---|
/// | [`idle_time`](Self::idle_time): a session ends when it was not used for this time | 30 minutes |
/// | [`absolute_time`](Self::absolute_time): a session ends after this time, used or not | 12 hours |
/// | [`cookie_name`](Self::cookie_name) | `session` |
/// | [`secure`](Self::secure): browsers send the cookie over encrypted connections only | if the request came over one |
/// | [`same_site`](Self::same_site) | `Lax` |
///
/// The cookie is `HttpOnly`, for all paths, and ends with the browser. The use of a session is
/// written to the store only if a tenth of the idle time has passed since the last write, so that
/// not every request is a write. So a session may end that much earlier.
///
/// Changes are kept when the answer begins. Of two requests of a session at once, the values of
/// the last one are kept.
///
/// # Examples
///
/// ```
/// use reactor_web::sessions::Sessions;
/// use reactor_web::{App, testing::TestClient};
/// use std::time::Duration;
///
/// let sessions = Sessions::in_memory()
///     .idle_time(Duration::from_secs(600))
///     .secure(true)
///     .cookie_name("__Host-session");
/// let app = App::new()
///     .get("/", |req| req.session()?.insert("seen", true))
///     .wrap(sessions);
/// let answer = TestClient::new(app)?.get("/");
/// let cookie = answer.header("set-cookie").unwrap();
/// assert!(cookie.starts_with("__Host-session="));
/// assert!(cookie.ends_with("; HttpOnly; SameSite=Lax; Secure; Path=/"));
/// # Ok::<(), deferred::Failure>(())
/// ```
pub struct Sessions(Rc<Inner>);

struct Inner {
    store: Box<dyn SessionStore>,
    settings: Settings,
}

#[derive(Clone, Debug)]
struct Settings {
    idle_time: Duration,
    absolute_time: Duration,
    cookie_name: String,
    secure: Option<bool>,
    same_site: SameSite,
}

impl Sessions {
    /// Sessions that are kept in `store`.
    pub fn new(store: impl SessionStore) -> Self {
        Self(Rc::new(Inner {
            store: Box::new(store),
            settings: Settings {
                idle_time: IDLE_TIME,
                absolute_time: ABSOLUTE_TIME,
                cookie_name: "session".to_owned(),
                secure: None,
                same_site: SameSite::Lax,
            },
        }))
    }

    /// Sessions in a [`MemoryStore`].
    pub fn in_memory() -> Self {
        Self::new(MemoryStore::new())
    }

    fn set(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        // Not shared before requests are answered, so this succeeds.
        if let Some(inner) = Rc::get_mut(&mut self.0) {
            set(&mut inner.settings);
        }
        self
    }

    /// Sets the time after which an unused session ends.
    #[must_use]
    #[doc(alias = "sessionTimeout")]
    pub fn idle_time(self, time: Duration) -> Self {
        self.set(|settings| settings.idle_time = time)
    }

    /// Sets the time after which a session ends, used or not.
    #[must_use]
    pub fn absolute_time(self, time: Duration) -> Self {
        self.set(|settings| settings.absolute_time = time)
    }

    /// Sets the name of the cookie. A cookie whose name begins with `__Host-` cannot be set by
    /// other hosts of the domain; it has to be [`secure`](Self::secure).
    #[must_use]
    pub fn cookie_name(self, name: impl Into<String>) -> Self {
        self.set(|settings| settings.cookie_name = name.into())
    }

    /// Whether browsers send the cookie over encrypted connections only. By default, they do if the
    /// request came over one. Set it behind a proxy that terminates TLS.
    #[must_use]
    pub fn secure(self, secure: bool) -> Self {
        self.set(|settings| settings.secure = Some(secure))
    }

    /// Sets whether browsers send the cookie with requests that pages of other sites cause.
    #[must_use]
    pub fn same_site(self, same_site: SameSite) -> Self {
        self.set(|settings| settings.same_site = same_site)
    }
}

/// A request with its session, until the answer begins.
struct Visit {
    inner: Rc<Inner>,
    reactor: ReactorHandle,
    is_secure: bool,
    /// The token of a session that exists.
    // `None` also if the store does not know the token that the browser has sent: that must not
    // become the token of a new session (session fixation).
    token: Option<String>,
    session: Session,
    /// Whether the use of the session is to be written to the store.
    // Set if a tenth of the idle time has passed since the last write.
    is_due: bool,
}

impl Inner {
    fn begin(
        self: &Rc<Self>,
        mut request: Request,
        next: Next,
        token: Option<String>,
        data: Option<SessionData>,
    ) -> Answer {
        let reactor = request.reactor().clone();
        // The wall time and not that of the loop: sessions may outlive this process.
        let now = seconds(reactor.wall_time());
        let Settings {
            idle_time,
            absolute_time,
            ..
        } = self.settings;
        let is_over = |data: &SessionData| {
            now >= data.used.saturating_add(idle_time.as_secs())
                || now >= data.created.saturating_add(absolute_time.as_secs())
        };
        // Checked here, too: a store may keep a session for longer, and a `CookieStore` cannot
        // forget one.
        let known = data.filter(|data| !is_over(data)).zip(token);
        let (mut data, token) = match known {
            Some((data, token)) => (data, Some(token)),
            None => (
                SessionData {
                    created: now,
                    ..SessionData::default()
                },
                None,
            ),
        };
        // If the clock was set back, the use is not due.
        let is_due =
            token.is_some() && now - data.used.min(now) >= idle_time.as_secs().div_ceil(10);
        // Saved only if the use is due, or something has changed.
        data.used = now;
        let session = Session::new(data, token.is_none());
        let attached: Attached = SendWrapper::new(session.clone());
        request.extensions_mut().insert(attached);
        let visit = Visit {
            inner: Rc::clone(self),
            // Read before the handler takes the request.
            is_secure: self.settings.secure.unwrap_or_else(|| request.is_secure()),
            reactor,
            token,
            session,
            is_due,
        };
        // `respond` and not `run`: the page of an error may set or end a session, too.
        let answer: Deferred<Response> = next.respond(request).into();
        Answer::later(answer.add_callback(move |response| visit.end(response)))
    }

    fn cookie(&self, value: String, is_secure: bool) -> Cookie<'static> {
        let settings = &self.settings;
        Cookie::build((settings.cookie_name.clone(), value))
            .http_only(true)
            .same_site(settings.same_site)
            .secure(is_secure)
            .path("/")
            .build()
    }

    /// How long the store has to keep `data`.
    fn lifetime(&self, data: &SessionData) -> Duration {
        let age = Duration::from_secs(data.used.saturating_sub(data.created));
        let left = self.settings.absolute_time.saturating_sub(age);
        left.min(self.settings.idle_time)
    }
}

impl Visit {
    /// Saves the session if it has changed, and gives the browser its token.
    fn end(self, mut response: Response) -> Deferred<Response> {
        if self.session.is_used() {
            // A cache may give this answer only to the browser with the same cookie.
            let cookie = HeaderValue::from_static("cookie");
            response.headers_mut().append(header::VARY, cookie);
        }
        // Read when the answer begins: changes made while its body is streamed are not saved.
        let change = match self.session.change() {
            Change::Nothing if self.is_due => Change::Changed,
            change => change,
        };
        match (change, &self.token) {
            (Change::Nothing, _) | (Change::Destroyed, None) => succeed(response),
            (Change::Changed, Some(token)) => {
                let token = token.clone();
                self.save(Some(token), response)
            }
            // The browser had no session: these are its first values.
            (Change::Changed | Change::Renewed, None) => self.save(None, response),
            (Change::Renewed, Some(token)) => {
                // The old token is removed first: if the new one cannot be saved, neither is valid.
                let removed = self.inner.store.remove(&self.reactor, token);
                removed.add_callback(move |()| self.save(None, response))
            }
            (Change::Destroyed, Some(token)) => {
                let removed = self.inner.store.remove(&self.reactor, token);
                removed.add_callback(move |()| {
                    self.set_cookie(None, &mut response)?;
                    Ok(response)
                })
            }
        }
    }

    fn save(self, token: Option<String>, mut response: Response) -> Deferred<Response> {
        let mut data = self.session.data();
        if token.is_none() {
            // The absolute time begins with the new token, such as at a login.
            data.created = data.used;
        }
        let lifetime = self.inner.lifetime(&data);
        let saved = self
            .inner
            .store
            .save(&self.reactor, token.as_deref(), &data, lifetime);
        // The answer waits for the store: the browser may come back with its cookie at once.
        saved.add_callback(move |saved| {
            // If there is no new token, the browser has the token already, or another request has
            // ended the session.
            if saved.is_some() && saved != token {
                self.set_cookie(saved, &mut response)?;
            }
            Ok(response)
        })
    }

    /// Sets the cookie, or removes it if there is no token.
    fn set_cookie(&self, token: Option<String>, response: &mut Response) -> deferred::Result<()> {
        let is_gone = token.is_none();
        let mut cookie = self.inner.cookie(token.unwrap_or_default(), self.is_secure);
        if is_gone {
            // The same name, path and attributes, or the browser would keep the old one.
            cookie.make_removal();
        }
        let value = HeaderValue::try_from(cookie.encoded().to_string())?;
        response.headers_mut().append(header::SET_COOKIE, value);
        Ok(())
    }
}

impl Middleware for Sessions {
    fn handle(&self, request: Request, next: Next) -> Answer {
        let inner = &self.0;
        let name = &inner.settings.cookie_name;
        let Some(token) = request.cookie(name).filter(|token| !token.is_empty()) else {
            // Without a cookie, the store is not asked.
            return inner.begin(request, next, None, None);
        };
        let loading = inner.store.load(request.reactor(), &token);
        let inner = Rc::clone(inner);
        Answer::after(loading, move |data| {
            inner.begin(request, next, Some(token), data)
        })
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("settings", &self.0.settings)
            .finish_non_exhaustive()
    }
}
