//! `HttpsRedirect`: redirects from HTTP to HTTPS.

use crate::app::{Middleware, Next};
use crate::error::HttpError;
use crate::request::Request;
use crate::response::{Answer, Redirect};

/// Redirects requests over connections that are not encrypted to the same address with `https`,
/// with status 308, so that a form is sent again as it was. Behind a proxy that terminates TLS, put
/// it inside of [`Forwarded`](super::Forwarded); otherwise each request would be redirected.
///
/// # Examples
///
/// ```
/// use reactor_web::middleware::HttpsRedirect;
/// use reactor_web::{App, testing::TestClient};
///
/// let app = App::new().get("/a", |_| "safe").wrap(HttpsRedirect::new());
/// let answer = TestClient::new(app)?.get("/a?b=c");
/// assert_eq!(answer.status(), 308);
/// assert_eq!(answer.header("location"), Some("https://localhost/a?b=c"));
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Clone, Debug)]
pub struct HttpsRedirect {
    host: Option<String>,
    port: u16,
}

impl HttpsRedirect {
    /// Redirects to port 443 of the host that the request is for.
    pub fn new() -> Self {
        Self {
            host: None,
            port: 443,
        }
    }

    /// Redirects to this host, whatever the request says.
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }

    /// Redirects to another port.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// The same address, with `https`.
    fn target(&self, request: &Request) -> Option<String> {
        let host = match &self.host {
            Some(host) => host,
            None => request.authority()?,
        };
        // Without the port, which is that of HTTP; an address of IPv6 has colons of its own.
        let end = match host.rfind(':') {
            Some(colon) if !host[colon..].contains(']') => colon,
            _ => host.len(),
        };
        let host = &host[..end];
        let port = match self.port {
            443 => String::new(),
            port => format!(":{port}"),
        };
        let path = request
            .uri()
            .path_and_query()
            .map_or("/", |path| path.as_str());
        (!host.is_empty()).then(|| format!("https://{host}{port}{path}"))
    }
}

impl Default for HttpsRedirect {
    fn default() -> Self {
        Self::new()
    }
}

impl Middleware for HttpsRedirect {
    fn handle(&self, request: Request, next: Next) -> Answer {
        if request.is_secure() {
            return next.run(request);
        }
        match self.target(&request) {
            Some(target) => Answer::now(Redirect::permanent(target)),
            None => Answer::now(HttpError::bad_request("there is no host")),
        }
    }
}
