//! `ContentSecurityPolicy`: the sources from which a page may load its parts.

use std::fmt;

use deferred::{Failure, Result};
use http::{HeaderName, HeaderValue, header};

use crate::random;
use crate::request::Request;

/// Placeholder in the sources for the nonce of the request.
const NONCE: &str = "'nonce'";

/// The sources from which a page may load scripts, images and the like: for
/// [`SecurityHeaders::csp`](super::SecurityHeaders::csp).
///
/// The source `'nonce'` is replaced by a nonce, a new one for each request, which the page puts
/// into the tags of its own scripts: [`CspNonce`].
///
/// # Examples
///
/// ```
/// use reactor_web::middleware::{ContentSecurityPolicy, CspNonce, SecurityHeaders};
/// use reactor_web::{App, Html, Request, testing::TestClient};
///
/// fn page(req: &Request) -> Html<String> {
///     let nonce = req.extensions().get::<CspNonce>().cloned().unwrap_or_default();
///     Html(format!("<script nonce=\"{nonce}\">alert(1)</script>"))
/// }
///
/// let policy = ContentSecurityPolicy::new()
///     .directive("default-src", "'self'")
///     .directive("script-src", "'self' 'nonce'");
/// let app = App::new().get("/", |req| page(&req)).wrap(SecurityHeaders::new().csp(policy));
/// let answer = TestClient::new(app)?.get("/");
/// let header = answer.header("content-security-policy").unwrap();
/// let nonce = header.strip_prefix("default-src 'self'; script-src 'self' 'nonce-").unwrap();
/// assert!(answer.text().contains(nonce.strip_suffix("'").unwrap()));
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ContentSecurityPolicy {
    directives: Vec<(String, String)>,
    reports_only: bool,
}

/// The nonce of a request, in its [`extensions`](Request::extensions): see
/// [`ContentSecurityPolicy`]. `Display` writes it as the page needs it.
///
/// # Examples
///
/// ```
/// use reactor_web::middleware::CspNonce;
///
/// assert_eq!(CspNonce::default().to_string(), "", "there is none");
/// ```
#[derive(Clone, Debug, Default)]
pub struct CspNonce(String);

impl CspNonce {
    fn new() -> Result<Self> {
        Ok(Self(random::hex(&random::bytes::<16>()?)))
    }
}

impl fmt::Display for CspNonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl ContentSecurityPolicy {
    /// A policy without directives.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a directive, such as `script-src`, with its sources: `'self' https://example.org`.
    #[must_use]
    pub fn directive(mut self, name: &str, sources: &str) -> Self {
        self.directives.push((name.to_owned(), sources.to_owned()));
        self
    }

    /// Lets browsers load what the policy refuses, and only report it.
    #[must_use]
    pub fn report_only(mut self) -> Self {
        self.reports_only = true;
        self
    }

    /// Checks that no name or source has a character that would end its directive.
    pub(super) fn check(&self) -> Result<()> {
        let is_name = |name: &str| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        let fits = |sources: &str| {
            sources
                .bytes()
                // A semicolon begins another directive, a comma another policy.
                .all(|b| matches!(b, b' '..=b'~') && b != b';' && b != b',')
        };
        for (name, sources) in &self.directives {
            if !is_name(name) || !fits(sources) {
                let directive = format!("{name} {sources}");
                return Err(Failure::msg(format!(
                    "{directive:?} is no directive of a policy"
                )));
            }
        }
        Ok(())
    }

    /// The header for the answer to `request`, which gets a [`CspNonce`] if the policy uses one.
    pub(super) fn header(&self, request: &mut Request) -> Result<(HeaderName, HeaderValue)> {
        let directives = self
            .directives
            .iter()
            .map(|(name, sources)| match sources.as_str() {
                "" => name.clone(),
                sources => format!("{name} {sources}"),
            });
        let mut text = directives.collect::<Vec<_>>().join("; ");
        // One nonce for all sources, and none for a policy that does not use it.
        if text.contains(NONCE) {
            let nonce = CspNonce::new()?;
            text = text.replace(NONCE, &format!("'nonce-{nonce}'"));
            request.extensions_mut().insert(nonce);
        }
        let name = match self.reports_only {
            true => header::CONTENT_SECURITY_POLICY_REPORT_ONLY,
            false => header::CONTENT_SECURITY_POLICY,
        };
        Ok((name, HeaderValue::try_from(text)?))
    }
}
