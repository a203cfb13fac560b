//! `Session`: the values of one browser.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use deferred::{Failure, Result};
use send_wrapper::SendWrapper;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::store::SessionData;
use crate::request::Request;

/// The values of one browser, from one request to the next: by
/// [`Request::session`](crate::Request::session). They are saved when the answer begins.
///
/// A browser without a session gets one, and its cookie, with the first value.
///
/// # Examples
///
/// Login and logout:
///
/// ```
/// use reactor_web::sessions::Sessions;
/// use reactor_web::{App, HttpError, Request, testing::TestClient};
///
/// fn login(req: &Request) -> deferred::Result<&'static str> {
///     // After the password was checked.
///     let session = req.session()?;
///     session.renew();
///     session.insert("user", "ann")?;
///     Ok("welcome")
/// }
///
/// fn account(req: &Request) -> deferred::Result<String> {
///     let user: Option<String> = req.session()?.get("user")?;
///     Ok(user.ok_or_else(HttpError::forbidden)?)
/// }
///
/// fn logout(req: &Request) -> deferred::Result<&'static str> {
///     req.session()?.destroy();
///     Ok("goodbye")
/// }
///
/// let app = App::new()
///     .post("/login", |req| login(&req))
///     .post("/logout", |req| logout(&req))
///     .get("/account", |req| account(&req))
///     .wrap(Sessions::in_memory());
/// let client = TestClient::new(app)?;
/// assert_eq!(client.get("/account").status(), 403);
/// let answer = client.post("/login", "");
/// let cookie = [("cookie", answer.header("set-cookie").unwrap())];
/// assert_eq!(client.get_with("/account", &cookie).text(), "ann");
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Clone)]
#[doc(alias = "ISession")]
pub struct Session(Rc<State>);

struct State {
    data: RefCell<SessionData>,
    // Whether the browser came without a session. Stays the same for the whole request.
    is_new: bool,
    // Only becomes greater, except that a change after `Destroyed` makes it `Renewed`. Read once,
    // when the answer begins.
    change: Cell<Change>,
    /// Whether a handler has asked for the session.
    // Set by the first `Request::session`, and not cleared.
    is_used: Cell<bool>,
}

/// What is to be done when the answer begins. A greater variant replaces a smaller one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    Nothing,
    Changed,
    Renewed,
    Destroyed,
}

impl Session {
    /// A session with the values of `data`.
    pub(super) fn new(data: SessionData, is_new: bool) -> Self {
        Self(Rc::new(State {
            data: RefCell::new(data),
            is_new,
            change: Cell::new(Change::Nothing),
            is_used: Cell::new(false),
        }))
    }

    /// The value with this name, if there is one.
    ///
    /// # Errors
    ///
    /// The value has another type.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let data = self.0.data.borrow();
        let value = data.values.get(name).map(T::deserialize).transpose();
        value.map_err(|error| Failure::new(error).context(format!("`{name}` of a session")))
    }

    /// Sets the value with this name.
    ///
    /// # Errors
    ///
    /// The value has no form in JSON.
    pub fn insert(&self, name: &str, value: impl Serialize) -> Result<()> {
        // Before the borrow, since serializing runs code of users.
        let value = serde_json::to_value(value)?;
        self.0
            .data
            .borrow_mut()
            .values
            .insert(name.to_owned(), value);
        self.note(Change::Changed);
        Ok(())
    }

    /// Removes the value with this name. Returns whether there was one.
    pub fn remove(&self, name: &str) -> bool {
        let removed = self.0.data.borrow_mut().values.remove(name).is_some();
        if removed {
            self.note(Change::Changed);
        }
        removed
    }

    /// Gives the session another token, with the same values, and ends the old one: at each login,
    /// so that a token that an attacker knew before is not valid after it (session fixation).
    #[doc(alias = "regenerate", alias = "cycle_id")]
    pub fn renew(&self) {
        self.note(Change::Renewed);
    }

    /// Ends the session: at a logout.
    #[doc(alias = "expire", alias = "flush")]
    pub fn destroy(&self) {
        // So that values set after this do not join those of the old session.
        self.0.data.borrow_mut().values.clear();
        self.note(Change::Destroyed);
    }

    /// Whether the browser came without a session.
    pub fn is_new(&self) -> bool {
        self.0.is_new
    }

    /// Notes a change. A change after `destroy` begins a new session.
    fn note(&self, change: Change) {
        let known = self.0.change.get();
        let change = match (known, change) {
            // Under another token, since the old one must not stay valid.
            (Change::Destroyed, Change::Changed | Change::Renewed) => Change::Renewed,
            (known, change) => known.max(change),
        };
        self.0.change.set(change);
    }

    pub(super) fn change(&self) -> Change {
        self.0.change.get()
    }

    pub(super) fn is_used(&self) -> bool {
        self.0.is_used.get()
    }

    /// A copy of the data to be saved.
    pub(super) fn data(&self) -> SessionData {
        self.0.data.borrow().clone()
    }
}

/// A session in the extensions of a request, which have to be `Send`.
pub(super) type Attached = SendWrapper<Session>;

impl Request {
    /// The session of the browser.
    ///
    /// # Errors
    ///
    /// There is no [`Sessions`](crate::sessions::Sessions) around this handler.
    #[doc(alias = "getSession")]
    pub fn session(&self) -> Result<Session> {
        match self.extensions().get::<Attached>() {
            Some(session) => {
                session.0.is_used.set(true);
                Ok(Session::clone(session))
            }
            None => Err(Failure::msg("there is no `Sessions` around this handler")),
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("data", &self.0.data)
            .field("change", &self.0.change)
            .finish_non_exhaustive()
    }
}
