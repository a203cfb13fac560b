//! `DigestAuth`: a proof of a password with each request (RFC 7616).

mod algorithm;
mod nonces;
mod params;

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use deferred::{Deferred, Outcome, Result, maybe_deferred};
use http::{HeaderValue, StatusCode, header};

use self::algorithm::Algorithm;
pub use self::algorithm::DigestSecret;
use self::nonces::{Nonces, Verdict};
use self::params::Proof;
use super::attempts::{Attempts, FailedLogin};
use super::basic::{check_realm, quoted};
use crate::app::{Middleware, Next};
use crate::error::HttpError;
use crate::request::Request;
use crate::response::Answer;

/// Asks for a proof of a password with each request (RFC 7616, `qop=auth`): the password itself
/// does not travel. A closure finds the secret of a user, now or by a Deferred.
///
/// - SHA-256; [`md5`](Self::md5) adds MD5, for old clients.
/// - A nonce is valid for 5 minutes on the clock of the loop; then the client gets another one and
///   repeats its request without asking its user (`stale`). The same happens after a restart.
/// - Each request with a nonce has a number, and no number is accepted twice, so that an
///   eavesdropper cannot send a request again. Requests over several connections may come in any
///   order within 64 numbers.
/// - A client that fails too often, 10 times a minute by default, is answered with 429.
///
/// # Examples
///
/// ```
/// use reactor_web::middleware::{DigestAuth, DigestSecret};
/// use reactor_web::{App, testing::TestClient};
///
/// let auth = DigestAuth::new("vault", |user| Ok(match user.as_str() {
///     "ann" => Some(DigestSecret::password("secret")),
///     _ => None,
/// }));
/// let app = App::new()
///     .get("/", |req| format!("hello, {}", req.user().unwrap_or("stranger")))
///     .wrap(auth);
/// let answer = TestClient::new(app)?.get("/");
/// assert_eq!(answer.status(), 401);
/// assert!(answer.header("www-authenticate").unwrap().starts_with("Digest realm=\"vault\""));
/// # Ok::<(), deferred::Failure>(())
/// ```
#[doc(alias = "DigestCredentialFactory")]
pub struct DigestAuth(Rc<Inner>);

struct Inner {
    realm: String,
    secret_of: Box<dyn Fn(String) -> Deferred<Option<DigestSecret>>>,
    /// In the order in which they are offered.
    algorithms: Vec<Algorithm>,
    // The failure of the random bytes is kept for `prepare`, since a builder cannot fail.
    nonces: Result<RefCell<Nonces>>,
    attempts: Attempts,
}

impl DigestAuth {
    /// Asks for a proof of a password, and calls `secret_of` for the secret of the user: `None` if
    /// there is no such user.
    pub fn new<F, O>(realm: impl Into<String>, secret_of: F) -> Self
    where
        F: Fn(String) -> O + 'static,
        O: Outcome<Value = Option<DigestSecret>>,
    {
        Self(Rc::new(Inner {
            realm: realm.into(),
            secret_of: Box::new(move |user| maybe_deferred(|| secret_of(user))),
            algorithms: vec![Algorithm::Sha256],
            nonces: Nonces::new().map(RefCell::new),
            attempts: Attempts::new(),
        }))
    }

    fn set(mut self, set: impl FnOnce(&mut Inner)) -> Self {
        // Not shared before requests are answered, so this succeeds.
        if let Some(inner) = Rc::get_mut(&mut self.0) {
            set(inner);
        }
        self
    }

    /// Accepts MD5, too, from clients that do not know SHA-256.
    #[must_use]
    pub fn md5(self) -> Self {
        self.set(|inner| inner.algorithms = vec![Algorithm::Sha256, Algorithm::Md5])
    }

    /// Sets how long a nonce is valid, instead of 5 minutes.
    #[must_use]
    pub fn nonce_lifetime(self, time: Duration) -> Self {
        self.set(|inner| {
            if let Ok(nonces) = &mut inner.nonces {
                nonces.get_mut().set_lifetime(time);
            }
        })
    }

    /// As [`BasicAuth::failure_limit`](super::BasicAuth::failure_limit).
    #[must_use]
    pub fn failure_limit(self, failures: u32, period: Duration) -> Self {
        self.set(|inner| inner.attempts.set_limit(failures, period))
    }

    /// As [`BasicAuth::on_failure`](super::BasicAuth::on_failure).
    #[must_use]
    pub fn on_failure(self, on_failure: impl Fn(&FailedLogin<'_>) + 'static) -> Self {
        self.set(|inner| inner.attempts.set_hook(on_failure))
    }
}

impl Inner {
    /// 401, with a nonce for each algorithm.
    fn challenge(&self, request: &Request, is_stale: bool) -> Result<HttpError> {
        let nonces = self.nonces.as_ref().map_err(Clone::clone)?;
        let stale = if is_stale { ", stale=true" } else { "" };
        let mut error = HttpError::new(StatusCode::UNAUTHORIZED);
        // A client takes the first one that it knows (RFC 7616, 3.7).
        for algorithm in &self.algorithms {
            let nonce = nonces.borrow().make(request.reactor().now())?;
            let challenge = format!(
                "Digest realm={}, qop=\"auth\", algorithm={}, nonce=\"{nonce}\", charset=UTF-8{stale}",
                quoted(&self.realm),
                algorithm.name(),
            );
            error = error.with_header(header::WWW_AUTHENTICATE, HeaderValue::try_from(challenge)?);
        }
        Ok(error)
    }

    fn ask(&self, request: &Request, is_stale: bool) -> Answer {
        match self.challenge(request, is_stale) {
            Ok(error) => Answer::now(error),
            Err(failure) => Answer::failed(failure),
        }
    }

    /// Whether the proof is for this request, with a supported algorithm and this realm.
    fn fits(&self, proof: &Proof, request: &Request) -> bool {
        let target = request.uri();
        let path = target.path_and_query().map_or("/", |path| path.as_str());
        self.algorithms.contains(&proof.algorithm)
            && proof.realm == self.realm
            // A proof for another target is not valid for this one (RFC 7616, 3.4.6). A proxy may
            // have changed the target from a path to a whole URL, or back.
            && (proof.uri == path || *target == *proof.uri)
    }

    fn decide(
        &self,
        mut request: Request,
        next: Next,
        proof: Proof,
        secret: Option<DigestSecret>,
    ) -> Answer {
        // Computed in any case: with a nonce of another process, a right proof is stale, and a
        // wrong one is a failed login.
        let is_right = proof.is_right(request.method(), secret.as_ref());
        let now = request.reactor().now();
        let verdict = match &self.nonces {
            // Only right proofs enter the table of numbers, so that strangers cannot fill it.
            Ok(nonces) => nonces
                .borrow_mut()
                .check(&proof.nonce, proof.count, is_right, now),
            Err(failure) => return Answer::failed(failure.clone()),
        };
        match verdict {
            Verdict::Stale => self.ask(&request, true),
            Verdict::Fresh if is_right => {
                request.set_user(proof.user);
                next.run(request)
            }
            Verdict::Fresh | Verdict::Forged => {
                self.attempts.fail(&request, &proof.user);
                self.ask(&request, false)
            }
        }
    }
}

impl Middleware for DigestAuth {
    fn handle(&self, request: Request, next: Next) -> Answer {
        let inner = &self.0;
        let proof = request.header(header::AUTHORIZATION).and_then(Proof::parse);
        // A proof that does not fit is not an attempt; the client gets a new challenge.
        let Some(proof) = proof.filter(|proof| inner.fits(proof, &request)) else {
            return inner.ask(&request, false);
        };
        if let Err(error) = inner.attempts.check(&request) {
            return Answer::now(error);
        }
        let looked_up = (inner.secret_of)(proof.user.clone());
        let inner = Rc::clone(inner);
        Answer::after(looked_up, move |secret| {
            inner.decide(request, next, proof, secret)
        })
    }

    fn prepare(&self) -> Result<()> {
        self.0.nonces.as_ref().map_err(Clone::clone)?;
        check_realm(&self.0.realm)
    }
}

impl fmt::Debug for DigestAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DigestAuth")
            .field("realm", &self.0.realm)
            .field("algorithms", &self.0.algorithms)
            .finish_non_exhaustive()
    }
}
