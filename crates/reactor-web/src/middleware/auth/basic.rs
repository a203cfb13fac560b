//! `BasicAuth`: a name and a password with each request (RFC 7617).

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use deferred::{Deferred, Outcome, Result, maybe_deferred};
use http::{HeaderValue, StatusCode, header};

use super::attempts::{Attempts, FailedLogin};
use super::credentials::Credentials;
use crate::app::{Middleware, Next};
use crate::error::HttpError;
use crate::request::Request;
use crate::response::Answer;

/// Asks for a name and a password with each request (RFC 7617), which a closure checks, now or by a
/// Deferred. They are sent in clear, so the connection must be encrypted.
///
/// The name becomes the [`Request::user`](crate::Request::user) of a request that passes, and
/// stands in the logs. A client that fails too often, 10 times a minute by default, is answered
/// with 429.
///
/// # Examples
///
/// ```
/// use reactor_web::middleware::BasicAuth;
/// use reactor_web::{App, testing::TestClient};
///
/// let auth = BasicAuth::new("vault", |login| Ok(login.matches("ann", "secret")));
/// let app = App::new()
///     .get("/", |req| format!("hello, {}", req.user().unwrap_or("stranger")))
///     .wrap(auth);
/// let client = TestClient::new(app)?;
/// let answer = client.get("/");
/// assert_eq!(answer.status(), 401);
/// let challenge = "Basic realm=\"vault\", charset=\"UTF-8\"";
/// assert_eq!(answer.header("www-authenticate"), Some(challenge));
/// let answer = client.get_with("/", &[("authorization", "Basic YW5uOnNlY3JldA==")]);
/// assert_eq!(answer.text(), "hello, ann");
/// # Ok::<(), deferred::Failure>(())
/// ```
#[doc(alias = "BasicCredentialFactory")]
pub struct BasicAuth(Rc<Inner>);

struct Inner {
    realm: String,
    check: Box<dyn Fn(Credentials) -> Deferred<bool>>,
    attempts: Attempts,
}

impl BasicAuth {
    /// Asks for a name and a password, and calls `check` to find out whether they are right.
    /// Browsers may show `realm` when they ask the user.
    pub fn new<F, O>(realm: impl Into<String>, check: F) -> Self
    where
        F: Fn(Credentials) -> O + 'static,
        O: Outcome<Value = bool>,
    {
        Self(Rc::new(Inner {
            realm: realm.into(),
            check: Box::new(move |credentials| maybe_deferred(|| check(credentials))),
            attempts: Attempts::new(),
        }))
    }

    /// Sets how often a client may fail to log in in each `period`, instead of 10 times in a
    /// minute. A client is an IPv4 address or an IPv6 network of 64 bits; beyond the limit, it gets
    /// a 429.
    #[must_use]
    pub fn failure_limit(mut self, failures: u32, period: Duration) -> Self {
        // Not shared before requests are answered, so this succeeds.
        if let Some(inner) = Rc::get_mut(&mut self.0) {
            inner.attempts.set_limit(failures, period);
        }
        self
    }

    /// Calls `on_failure` for each login that fails: to lock an account, or to tell its user.
    #[must_use]
    pub fn on_failure(mut self, on_failure: impl Fn(&FailedLogin<'_>) + 'static) -> Self {
        if let Some(inner) = Rc::get_mut(&mut self.0) {
            inner.attempts.set_hook(on_failure);
        }
        self
    }
}

impl Inner {
    fn challenge(&self) -> HttpError {
        // RFC 7617, 2 and 2.1.
        let challenge = format!("Basic realm={}, charset=\"UTF-8\"", quoted(&self.realm));
        let error = HttpError::new(StatusCode::UNAUTHORIZED);
        match HeaderValue::try_from(challenge) {
            Ok(challenge) => error.with_header(header::WWW_AUTHENTICATE, challenge),
            // `prepare` has refused such a realm.
            Err(_) => error,
        }
    }

    fn decide(&self, mut request: Request, next: Next, user: String, is_right: bool) -> Answer {
        if is_right {
            request.set_user(user);
            next.run(request)
        } else {
            self.attempts.fail(&request, &user);
            Answer::now(self.challenge())
        }
    }
}

/// `text` as a quoted string of HTTP.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The credentials of a request; `None` if it has none, or in another form.
fn credentials(request: &Request) -> Option<Credentials> {
    let (scheme, rest) = request.header(header::AUTHORIZATION)?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(rest.trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    // The first colon: a password may have some, a name has none (RFC 7617, 2).
    let (user, password) = text.split_once(':')?;
    Some(Credentials::new(user, password))
}

impl Middleware for BasicAuth {
    fn handle(&self, request: Request, next: Next) -> Answer {
        let inner = &self.0;
        let Some(credentials) = credentials(&request) else {
            return Answer::now(inner.challenge());
        };
        // Checked before the password, whose check may take long on purpose. A request without
        // credentials is not an attempt.
        if let Err(error) = inner.attempts.check(&request) {
            return Answer::now(error);
        }
        // `check` takes the credentials.
        let user = credentials.user().to_owned();
        let checked = (inner.check)(credentials);
        let inner = Rc::clone(inner);
        Answer::after(checked, move |is_right| {
            inner.decide(request, next, user, is_right)
        })
    }

    fn prepare(&self) -> Result<()> {
        check_realm(&self.0.realm)
    }
}

/// Whether a realm may stand in a header.
pub(super) fn check_realm(realm: &str) -> Result<()> {
    let fits = |byte: u8| byte == b'\t' || (byte >= b' ' && byte != 0x7f);
    match realm.bytes().all(fits) {
        true => Ok(()),
        false => Err(deferred::Failure::msg(format!("{realm:?} is no realm"))),
    }
}

impl fmt::Debug for BasicAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BasicAuth")
            .field("realm", &self.0.realm)
            .finish_non_exhaustive()
    }
}
