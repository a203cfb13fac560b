//! `ClientError`: why a request of a client has no answer.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use http::StatusCode;

/// Why a request of a [`Client`](crate::Client) has no answer, or why the content of an answer
/// cannot be read.
///
/// Failures of lower layers keep their types: [`ConnectError`](reactor::ConnectError) for a
/// connection that cannot be made, a `TlsError` of `reactor-tls`, [`hyper::Error`] for a
/// connection that breaks, and for bytes that are not HTTP.
///
/// # Examples
///
/// ```
/// use reactor::testing::TestReactor;
/// use reactor_web::Client;
/// use reactor_web::client::ClientError;
///
/// let reactor = TestReactor::new();
/// let failure = reactor.result_of(Client::new(&reactor).get("gopher://x/")).unwrap_err();
/// assert!(matches!(failure.check(), Some(ClientError::BadUrl { .. })));
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientError {
    /// The URL cannot be asked for.
    #[non_exhaustive]
    BadUrl {
        /// The URL, or what should have been one.
        url: String,
        /// The reason why it is refused.
        reason: String,
    },
    /// The URL is one of `https`, and this program was built without the feature `tls` of
    /// `reactor-web`.
    NoTls,
    /// A step took too long.
    #[non_exhaustive]
    TimedOut {
        /// The step.
        step: Step,
        /// The timeout of the step.
        after: Duration,
    },
    /// [`ClientResponse::error_for_status`](super::ClientResponse::error_for_status): the answer
    /// is an error.
    #[non_exhaustive]
    Status {
        /// The status.
        status: StatusCode,
        /// The URL that was answered with this status.
        url: String,
    },
    /// More redirects than [`ClientBuilder::redirects`](super::ClientBuilder::redirects) allows.
    #[non_exhaustive]
    TooManyRedirects {
        /// The most redirects that are followed.
        limit: usize,
    },
    /// A redirect asks for the body once more, but the body is a stream, which can be sent only
    /// once.
    #[non_exhaustive]
    BodySpent {
        /// The status of the redirect.
        status: StatusCode,
    },
    /// A proxy does not connect to the server.
    #[non_exhaustive]
    ProxyRefused {
        /// The status of the proxy's answer: 407 if it wants user and password.
        status: StatusCode,
    },
    /// [`ClientResponse::upgrade`](super::ClientResponse::upgrade): the server has refused to
    /// switch the protocol.
    #[non_exhaustive]
    NotUpgraded {
        /// The status of the answer.
        status: StatusCode,
    },
    /// The content is longer than [`ClientBuilder::body_limit`](super::ClientBuilder::body_limit).
    #[non_exhaustive]
    BodyTooLarge {
        /// The most bytes that are taken.
        limit: u64,
    },
}

/// A step of a request, in the words of [`ClientBuilder`](super::ClientBuilder)'s timeouts.
///
/// # Examples
///
/// ```
/// use reactor_web::client::Step;
///
/// assert_eq!(Step::Head.to_string(), "the head of the answer");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// Connecting: the look-up of the name, TCP, a proxy, TLS.
    Connect,
    /// From the end of the request, or from the last time that the server took a piece of it, to
    /// the head of the answer.
    Head,
    /// Between two pieces of the content.
    Read,
    /// The request as a whole: [`timeout`](super::ClientBuilder::timeout).
    Whole,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting",
            Self::Head => "the head of the answer",
            Self::Read => "the next piece of the content",
            Self::Whole => "the whole answer",
        })
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadUrl { url, reason } => write!(f, "cannot ask for {url:?}: {reason}"),
            Self::NoTls => {
                f.write_str("https needs the feature `tls` of reactor-web, which is off")
            }
            Self::TimedOut { step, after } => {
                write!(f, "{step} took more than {after:?}")
            }
            Self::Status { status, url } => write!(f, "{url} was answered with {status}"),
            Self::TooManyRedirects { limit } => write!(f, "more than {limit} redirects"),
            Self::BodySpent { status } => write!(
                f,
                "redirected with {status}, but the body is a stream, which can be sent once"
            ),
            Self::ProxyRefused { status } => {
                write!(f, "the proxy does not connect to the server: {status}")
            }
            Self::NotUpgraded { status } => {
                write!(f, "the server has answered {status} instead of an upgrade")
            }
            Self::BodyTooLarge { limit } => {
                write!(f, "the content of the answer is longer than {limit} bytes")
            }
        }
    }
}

impl Error for ClientError {}
