//! `Record`: what the log says of a request.

use std::rc::Rc;
use std::time::{Duration, SystemTime};

use http::{HeaderValue, Method, Uri, Version, header};
use reactor::Address;

use crate::request::{Observed, Request};

/// A request, as it came.
pub(super) struct Record {
    pub(super) time: SystemTime,
    /// When the request came, by the clock of the loop.
    pub(super) begin: Duration,
    pub(super) peer: Address,
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) version: Version,
    #[cfg_attr(
        not(feature = "json"),
        expect(dead_code, reason = "of the format JSON")
    )]
    pub(super) host: Option<HeaderValue>,
    pub(super) referer: Option<HeaderValue>,
    pub(super) user_agent: Option<HeaderValue>,
    /// The user, the route and the id, which are known when it is answered.
    pub(super) observed: Rc<Observed>,
}

impl Record {
    pub(super) fn new(request: &mut Request) -> Self {
        let observed = request.observe();
        let header = |name| request.headers().get(name).cloned();
        // The host in the target (HTTP/2, or a whole URL) takes precedence over `Host`.
        let host = match request.uri().authority() {
            Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
            None => header(header::HOST),
        };
        Self {
            // Both clocks: the wall time for the line, and the loop's clock for the duration, since
            // that is never set back.
            time: request.reactor().wall_time(),
            begin: request.reactor().now(),
            peer: request.peer().clone(),
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            host,
            referer: header(header::REFERER),
            user_agent: header(header::USER_AGENT),
            observed,
        }
    }

    /// The address of the client, without its port.
    pub(super) fn client(&self) -> String {
        match self.peer.ip() {
            Some(ip) => ip.to_string(),
            None => "-".to_owned(),
        }
    }
}

/// The outcome of a request, known when its answer is over.
pub(super) struct Outcome {
    pub(super) status: u16,
    /// Bytes of the body that were sent.
    pub(super) bytes: u64,
    #[cfg_attr(
        not(feature = "json"),
        expect(dead_code, reason = "of the format JSON")
    )]
    pub(super) duration: Duration,
    /// Whether the answer was sent whole.
    #[cfg_attr(
        not(feature = "json"),
        expect(dead_code, reason = "of the format JSON")
    )]
    pub(super) is_complete: bool,
}
