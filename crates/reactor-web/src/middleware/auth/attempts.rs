//! `Attempts`: limits how often a client may fail to log in, and reports each failure.
//!
//! Only failures count, so a client that knows its password is never held up by its own requests. A
//! request is checked before its password is, and charged after: guesses whose passwords are
//! checked at the same time all pass, but each is charged, and the debt makes the next wait longer
//! (see [`TokenBuckets::charge`]).

use std::cell::RefCell;
use std::fmt;
use std::time::Duration;

use reactor::Address;

use crate::error::HttpError;
use crate::middleware::rate_limit::{network_of, too_many};
use crate::middleware::token_buckets::TokenBuckets;
use crate::request::Request;

/// Most failures that a client may have at once, unless `failure_limit` sets another number.
const MAX_FAILURES: u32 = 10;

/// The time in which [`MAX_FAILURES`] failures are forgotten, one after the other: one every 6 s.
const PERIOD: Duration = Duration::from_secs(60);

/// Most clients whose failures are remembered. Beyond that, the client with the fewest is
/// forgotten, so that an attacker with many addresses does not fill the memory.
const MAX_ADDRESSES: usize = 10_000;

/// A login that has failed: for [`BasicAuth::on_failure`](super::BasicAuth::on_failure) and
/// [`DigestAuth::on_failure`](super::DigestAuth::on_failure).
///
/// # Examples
///
/// ```
/// use reactor_web::middleware::BasicAuth;
/// use reactor_web::{App, testing::TestClient};
/// use std::{cell::RefCell, rc::Rc};
///
/// let failed: Rc<RefCell<Vec<String>>> = Rc::default();
/// let log = Rc::clone(&failed);
/// let auth = BasicAuth::new("vault", |login| Ok(login.matches("ann", "secret")))
///     .on_failure(move |attempt| log.borrow_mut().push(attempt.user.to_owned()));
/// let client = TestClient::new(App::new().wrap(auth))?;
/// client.get_with("/", &[("authorization", "Basic Ym9iOmd1ZXNz")]);
/// assert_eq!(*failed.borrow(), ["bob"]);
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct FailedLogin<'a> {
    /// The name that was tried.
    pub user: &'a str,
    /// The address of the client.
    pub peer: &'a Address,
}

/// The failures of each client, on the clock of the loop. A client is an IPv4 address, or an IPv6
/// network of 64 bits (see [`network_of`]), since a host may take any address of such a network.
pub(super) struct Attempts {
    /// A full bucket is a client without failures; a failure takes a token.
    buckets: RefCell<TokenBuckets>,
    on_failure: Option<Box<dyn Fn(&FailedLogin<'_>)>>,
}

impl Attempts {
    pub(super) fn new() -> Self {
        Self {
            buckets: RefCell::new(TokenBuckets::new(MAX_FAILURES, PERIOD, MAX_ADDRESSES)),
            on_failure: None,
        }
    }

    pub(super) fn set_limit(&mut self, failures: u32, period: Duration) {
        self.buckets = RefCell::new(TokenBuckets::new(failures, period, MAX_ADDRESSES));
    }

    pub(super) fn set_hook(&mut self, on_failure: impl Fn(&FailedLogin<'_>) + 'static) {
        self.on_failure = Some(Box::new(on_failure));
    }

    /// Checks that the client of `request` may try. Takes no token: the attempt may be right.
    ///
    /// # Errors
    ///
    /// 429, with the time until there is a token in `Retry-After`.
    pub(super) fn check(&self, request: &Request) -> Result<(), HttpError> {
        let now = request.reactor().now();
        // Takes no token, since a right login is not counted. An attempt is counted when the check
        // of its password ends.
        let wait = self.buckets.borrow().wait(&network_of(request.peer()), now);
        match wait.is_zero() {
            true => Ok(()),
            false => Err(too_many(wait)),
        }
    }

    /// Counts a failure, logs it, and calls the hook.
    pub(super) fn fail(&self, request: &Request, user: &str) {
        let (peer, now) = (request.peer(), request.reactor().now());
        // Not borrowed while `on_failure`, which is code of the user, runs.
        self.buckets.borrow_mut().charge(&network_of(peer), now);
        tracing::warn!(target: "reactor_web::auth", %peer, user, "a login has failed");
        // Last, and with nothing borrowed: the hook is the user's, and may panic.
        if let Some(on_failure) = &self.on_failure {
            on_failure(&FailedLogin { user, peer });
        }
    }
}

impl fmt::Debug for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempts")
            .field("buckets", &self.buckets)
            .finish_non_exhaustive()
    }
}
