//! `Limits`: bounds of what a client may send, and for how long.

use std::time::Duration;

/// Bounds of what a client may send, and for how long it may take nothing.
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
    /// Number of headers of a request. More are a 431. More than 100 cost with every request.
    pub headers: usize,
    /// How long a client may take for a whole head, and how long a connection may be idle. A
    /// head that has begun gets a 408; then the connection is closed.
    pub head_timeout: Duration,
    /// How long nothing may come of a body that a handler waits for.
    pub body_timeout: Duration,
    /// How long a client may take nothing of an answer. It is found out up to a quarter later.
    pub write_timeout: Duration,
    /// How long a graceful stop waits for the requests that run.
    pub shutdown_timeout: Duration,
    /// How long a graceful stop leaves the idle connections to their clients: a request that comes
    /// in this time is answered, with `Connection: close`. A connection that is closed while a
    /// request is on its way loses that, so a restart that is to lose nothing needs some seconds,
    /// or as many as the proxy before it keeps an idle connection. None by default: then idle
    /// connections are closed at once.
    pub idle_grace: Duration,
    /// Whether a client that finishes sending gets its answer. If so, a client that goes while a
    /// handler waits is noticed only when the answer is sent; so this is off.
    pub half_close: bool,
    /// Whether requests of HTTP/1.1 get a 400 that are no error, but that another parser, as that
    /// of a proxy, may read in another way: lines that end with a bare LF or have a bare CR; both
    /// `Content-Length` and `Transfer-Encoding`, or one of them twice; a length with leading
    /// zeros; a coding other than `chunked`; whitespace around the size of a chunk. It costs a
    /// look at each byte that comes, so it is off.
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
