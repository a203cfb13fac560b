//! `ReverseProxyError`: why a reverse proxy has got no answer from an upstream.

use std::error::Error;
use std::fmt;

use deferred::Failure;
use http::StatusCode;

use crate::client::{ClientError, Step};
use crate::error::HttpError;

/// Why a [`ReverseProxy`](super::ReverseProxy) has got no answer from an upstream. Its source is an
/// [`HttpError`] with the status, so the page of the app is shown; the page names no upstream.
///
/// # Examples
///
/// Middleware that looks at the reason:
///
/// ```
/// use reactor::testing::TestReactor;
/// use reactor_web::reverse::{ReverseProxy, ReverseProxyError};
/// use reactor_web::{Answer, App, Client, Next, Request, serve};
///
/// fn note(req: Request, next: Next) -> Answer {
///     next.run(req).map(|result| {
///         if let Err(failure) = &result {
///             let error = failure.check::<ReverseProxyError>();
///             assert_eq!(error.and_then(|it| it.upstream()), Some("http://127.0.0.1:81"));
///         }
///         result
///     })
/// }
///
/// let reactor = TestReactor::new();
/// let proxy = ReverseProxy::to(&reactor, "http://127.0.0.1:81")?;
/// let app = App::new().mount("/", proxy).wrap(note);
/// reactor.result_of(serve(&reactor, "tcp:80:interface=127.0.0.1", app))?;
/// let answer = reactor.result_of(Client::new(&reactor).get("http://127.0.0.1/"))?;
/// assert_eq!(answer.status(), 502);
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Debug)]
pub struct ReverseProxyError {
    kind: ReverseProxyErrorKind,
    upstream: Option<String>,
    page: HttpError,
}

/// The kinds of [`ReverseProxyError`].
///
/// # Examples
///
/// ```
/// use reactor_web::reverse::ReverseProxyErrorKind;
///
/// assert_eq!(ReverseProxyErrorKind::NoUpstream.status(), 503);
/// assert_eq!(ReverseProxyErrorKind::Unreachable.status(), 502);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReverseProxyErrorKind {
    /// No upstream is available: each is ejected, or fails its checks. 503.
    NoUpstream,
    /// There was no connection to the upstream. 502.
    Unreachable,
    /// The connection broke, or the upstream did not answer in HTTP. 502.
    Broken,
    /// The upstream took too long. 504.
    TimedOut(Step),
}

impl ReverseProxyErrorKind {
    /// The status of the answer.
    pub fn status(self) -> StatusCode {
        match self {
            Self::NoUpstream => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unreachable | Self::Broken => StatusCode::BAD_GATEWAY,
            Self::TimedOut(_) => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// Whether nothing of the request was sent.
    pub(super) fn is_unsent(self) -> bool {
        // A timeout of any other step comes after the sending of the request was begun.
        matches!(self, Self::Unreachable | Self::TimedOut(Step::Connect))
    }
}

impl ReverseProxyError {
    pub(super) fn no_upstream() -> Self {
        Self::new(ReverseProxyErrorKind::NoUpstream, None)
    }

    /// The error for a failure of the client that asks upstreams.
    pub(super) fn of(failure: &Failure, upstream: &str) -> Self {
        let kind = match failure.check::<ClientError>() {
            Some(ClientError::TimedOut { step, .. }) => ReverseProxyErrorKind::TimedOut(*step),
            // An error before hyper has a connection has another type.
            _ if failure.is::<hyper::Error>() => ReverseProxyErrorKind::Broken,
            _ => ReverseProxyErrorKind::Unreachable,
        };
        Self::new(kind, Some(upstream))
    }

    pub(super) fn broken(upstream: &str) -> Self {
        Self::new(ReverseProxyErrorKind::Broken, Some(upstream))
    }

    fn new(kind: ReverseProxyErrorKind, upstream: Option<&str>) -> Self {
        Self {
            kind,
            upstream: upstream.map(str::to_owned),
            // Its message is that of the status, so that clients learn nothing of the upstreams.
            page: HttpError::new(kind.status()),
        }
    }

    /// What has happened.
    pub fn kind(&self) -> ReverseProxyErrorKind {
        self.kind
    }

    /// The upstream that was asked last, if one was.
    pub fn upstream(&self) -> Option<&str> {
        self.upstream.as_deref()
    }
}

impl fmt::Display for ReverseProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let upstream = self.upstream().unwrap_or("an upstream");
        match self.kind {
            ReverseProxyErrorKind::NoUpstream => f.write_str("no upstream is available"),
            ReverseProxyErrorKind::Unreachable => write!(f, "{upstream} cannot be reached"),
            ReverseProxyErrorKind::Broken => write!(f, "{upstream} has given no whole answer"),
            ReverseProxyErrorKind::TimedOut(step) => {
                write!(f, "{upstream} took too long: {step}")
            }
        }
    }
}

impl Error for ReverseProxyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.page)
    }
}
