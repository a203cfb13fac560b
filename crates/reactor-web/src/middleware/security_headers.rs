//! `SecurityHeaders`: headers that restrict what browsers do with a page.

use std::time::Duration;

use deferred::{Failure, Result};
use http::{HeaderName, HeaderValue, header};

use super::csp::ContentSecurityPolicy;
use crate::app::{Middleware, Next};
use crate::request::Request;
use crate::response::Answer;

/// Sets headers that restrict what browsers do with the pages of a site, in each answer that has
/// not set them itself:
///
/// | header | default | changed by |
/// |---|---|---|
/// | `X-Content-Type-Options` | `nosniff` | fixed |
/// | `X-Frame-Options` | `DENY` | [`frames`](Self::frames) |
/// | `Referrer-Policy` | `strict-origin-when-cross-origin` | [`referrer`](Self::referrer) |
/// | `Strict-Transport-Security` | none | [`hsts`](Self::hsts) |
/// | `Content-Security-Policy` | none | [`csp`](Self::csp) |
///
/// # Examples
///
/// ```
/// use reactor_web::middleware::{ContentSecurityPolicy, SecurityHeaders};
/// use reactor_web::{App, Html, testing::TestClient};
///
/// let headers = SecurityHeaders::new()
///     .csp(ContentSecurityPolicy::new().directive("default-src", "'self'"));
/// let app = App::new().get("/", |_| Html("<p>hello")).wrap(headers);
/// let client = TestClient::new(app)?;
/// let answer = client.get("/");
/// assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
/// assert_eq!(answer.header("content-security-policy"), Some("default-src 'self'"));
/// assert_eq!(client.get("/nowhere").header("x-frame-options"), Some("DENY"));
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Clone, Debug)]
#[doc(alias = "helmet")]
pub struct SecurityHeaders {
    frames: &'static str,
    // An error is kept for `prepare`, since a builder cannot fail.
    referrer: Result<HeaderValue, &'static str>,
    hsts: Option<(Duration, bool)>,
    csp: Option<ContentSecurityPolicy>,
}

impl SecurityHeaders {
    /// The headers with their defaults.
    pub fn new() -> Self {
        Self {
            frames: "DENY",
            referrer: Ok(HeaderValue::from_static("strict-origin-when-cross-origin")),
            hsts: None,
            csp: None,
        }
    }

    /// Lets pages of the same origin show the pages of this site in a frame.
    #[must_use]
    pub fn frames(mut self) -> Self {
        self.frames = "SAMEORIGIN";
        self
    }

    /// Sets `Referrer-Policy`: which part of a page's address a browser sends to the sites that the
    /// page links to.
    #[must_use]
    pub fn referrer(mut self, policy: &'static str) -> Self {
        self.referrer = HeaderValue::from_str(policy).map_err(|_| policy);
        self
    }

    /// Sets `Strict-Transport-Security`: for this time after each answer, browsers use HTTPS only
    /// for this host, and for all names below it if `subdomains`. A browser does not forget it
    /// before the time is over, so begin with minutes; a year is usual, once it works. Sent over
    /// encrypted connections only, as RFC 6797 says.
    #[must_use]
    #[doc(alias = "Strict-Transport-Security")]
    pub fn hsts(mut self, time: Duration, subdomains: bool) -> Self {
        self.hsts = Some((time, subdomains));
        self
    }

    /// Sets `Content-Security-Policy`: the sources from which a page may load its parts.
    #[must_use]
    pub fn csp(mut self, policy: ContentSecurityPolicy) -> Self {
        self.csp = Some(policy);
        self
    }
}

impl Default for SecurityHeaders {
    fn default() -> Self {
        Self::new()
    }
}

impl Middleware for SecurityHeaders {
    fn handle(&self, mut request: Request, next: Next) -> Answer {
        // RFC 6797, 7.2. Checked here, before the handler takes the request.
        let hsts = self.hsts.filter(|_| request.is_secure()).map(hsts_value);
        let csp = self.csp.as_ref().map(|policy| policy.header(&mut request));
        let csp = match csp.transpose() {
            Ok(csp) => csp,
            Err(failure) => return Answer::failed(failure),
        };
        let frames = HeaderValue::from_static(self.frames);
        let referrer = self.referrer.clone().ok();
        // `respond`, so that the pages of errors have the headers, too.
        next.respond(request).map_response(move |response| {
            let mut add = |name: HeaderName, value: Option<HeaderValue>| {
                if let Some(value) = value {
                    // A value that the handler has set takes precedence.
                    response.headers_mut().entry(name).or_insert(value);
                }
            };
            let nosniff = HeaderValue::from_static("nosniff");
            add(header::X_CONTENT_TYPE_OPTIONS, Some(nosniff));
            add(header::X_FRAME_OPTIONS, Some(frames));
            add(header::REFERRER_POLICY, referrer);
            add(header::STRICT_TRANSPORT_SECURITY, hsts);
            if let Some((name, value)) = csp {
                add(name, Some(value));
            }
        })
    }

    fn prepare(&self) -> Result<()> {
        if let Err(policy) = self.referrer {
            return Err(Failure::msg(format!("{policy:?} is no referrer policy")));
        }
        match &self.csp {
            Some(policy) => policy.check(),
            None => Ok(()),
        }
    }
}

fn hsts_value((time, subdomains): (Duration, bool)) -> HeaderValue {
    let seconds = time.as_secs();
    let below = if subdomains {
        "; includeSubDomains"
    } else {
        ""
    };
    // All of it is ASCII, so this does not fail.
    HeaderValue::try_from(format!("max-age={seconds}{below}"))
        .unwrap_or_else(|_| HeaderValue::from_static("max-age=0"))
}
