//! `Limits`: how much a client may send, and how long it may take.

use std::time::Duration;

/// Limits on how much a client may send, and how long it may take to send a request and to receive
/// an answer.
///
/// # Examples
///
/// ```
/// use reactor_web::{App, Limits};
/// use std::time::Duration;
///
/// let limits = Limits::default();
/// assert_eq!(limits.body, 2 * 1024 * 1024);
/// assert_eq!(limits.head, 64 * 1024);
/// assert_eq!(limits.headers, 100);
/// assert_eq!(limits.head_timeout, Duration::from_secs(60));
/// assert_eq!(limits.body_timeout, Duration::from_secs(60));
/// assert_eq!(limits.write_timeout, Duration::from_secs(60));
/// assert_eq!(limits.shutdown_timeout, Duration::from_secs(30));
/// assert_eq!(limits.idle_grace, Duration::ZERO);
/// App::new().limits(limits.with_body(100 * 1024 * 1024)).into_site()?;
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of the body of a request, unless the handler sets another limit. More are a 413.
    pub body: u64,
    /// Bytes of the head of a request. More are a 431. At least 8 KiB.
    pub head: usize,
    /// Number of headers of a request, 24,000 at most. More are a 431. A limit above 100 costs time
    /// with every request.
    pub headers: usize,
    /// How long a client may take for a whole head, and how long a connection may be idle. A
    /// head that has begun gets a 408; then the connection is closed.
    pub head_timeout: Duration,
    /// How long a client may send nothing of a body that a handler waits for. Then the connection
    /// is closed, with the delay that `write_timeout` describes.
    pub body_timeout: Duration,
    /// How long a client may go without taking any bytes of its answer. Then the connection is
    /// aborted; up to a quarter of this time late, or up to half of `body_timeout` if that is
    /// shorter.
    pub write_timeout: Duration,
    /// How long a graceful stop waits for the requests that run.
    pub shutdown_timeout: Duration,
    /// How long a graceful stop keeps idle connections open: a request that comes in this time is
    /// answered, with `Connection: close`. If a connection is closed while a request is on its way,
    /// that request is lost. So for a restart that loses no request, set the time for which the
    /// clients, or the proxy before this server, keep idle connections. Zero by default: idle
    /// connections are closed at once.
    pub idle_grace: Duration,
    /// Whether a client that finishes sending (a half-close) still gets its answer. Off by default:
    /// if it is on, a client that disconnects while a handler waits is noticed only when the answer
    /// is sent.
    pub half_close: bool,
    /// Whether a request of HTTP/1.1 gets a 400 if another parser, such as that of a proxy, may
    /// read it in another way, although RFC 9112 lets a server take it: lines that end with a bare
    /// LF or have a bare CR; both `Content-Length` and `Transfer-Encoding`, or one of them twice; a
    /// length with leading zeros; a coding other than `chunked`; whitespace around the size of a
    /// chunk. Off by default, because the check reads each received byte a second time.
    pub strict: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 2 * 1024 * 1024,
            head: 64 * 1024,
            headers: 100,
            head_timeout: Duration::from_secs(60),
            body_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(60),
            shutdown_timeout: Duration::from_secs(30),
            idle_grace: Duration::from_secs(0),
            half_close: false,
            strict: false,
        }
    }
}

macro_rules! setters {
    ($($setter:ident $field:ident: $type:ty),* $(,)?) => {
        impl Limits {$(
            #[doc = concat!("These limits with another [`", stringify!($field), "`](Self::", stringify!($field), ").")]
            #[must_use]
            pub fn $setter(self, $field: $type) -> Self {
                Self { $field, ..self }
            }
        )*}
    };
}

setters! {
    with_body body: u64,
    with_head head: usize,
    with_headers headers: usize,
    with_head_timeout head_timeout: Duration,
    with_body_timeout body_timeout: Duration,
    with_write_timeout write_timeout: Duration,
    with_shutdown_timeout shutdown_timeout: Duration,
    with_idle_grace idle_grace: Duration,
    with_half_close half_close: bool,
    with_strict strict: bool,
}
