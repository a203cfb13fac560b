//! `Cors`: says which pages of other origins may read answers.

use std::fmt;
use std::time::Duration;

use deferred::{Failure, Result};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::app::{Middleware, Next};
use crate::body::Body;
use crate::request::Request;
use crate::response::{Answer, Response};

/// Says which pages of other origins may send requests to this site by script, and read the answers
/// (the protocol CORS of the Fetch standard).
///
/// A preflight is answered here, with 204; a refused one has none of the headers, so that the
/// browser does not send the request. Put it around an app (by [`App::wrap`](crate::App::wrap)),
/// since a preflight asks with `OPTIONS`, for which routes have no handler.
///
/// # Examples
///
/// ```
/// use http::Method;
/// use reactor_web::middleware::Cors;
/// use reactor_web::{App, Body, testing::TestClient};
///
/// let cors = Cors::origins(["https://app.example.org"]).methods([Method::GET, Method::PUT]);
/// let app = App::new().put("/item", |_| "stored").wrap(cors);
/// let client = TestClient::new(app)?;
///
/// let preflight = [
///     ("origin", "https://app.example.org"),
///     ("access-control-request-method", "PUT"),
/// ];
/// let answer = client.send(Method::OPTIONS, "/item", &preflight, Body::empty());
/// assert_eq!(answer.header("access-control-allow-methods"), Some("GET, PUT"));
///
/// let other = [("origin", "https://elsewhere.example")];
/// let answer = client.send(Method::PUT, "/item", &other, Body::empty());
/// assert_eq!(answer.header("access-control-allow-origin"), None);
/// # Ok::<(), deferred::Failure>(())
/// ```
#[doc(alias = "CorsLayer")]
pub struct Cors {
    origins: Origins,
    methods: Option<Vec<Method>>,
    headers: Vec<HeaderName>,
    exposed: Vec<HeaderName>,
    max_age: Duration,
    credentials: bool,
}

enum Origins {
    Any,
    List(Vec<String>),
    Closure(Box<dyn Fn(&str) -> bool>),
}

impl Cors {
    /// Allows pages of any origin. Not allowed with [`credentials`](Self::credentials).
    pub fn any_origin() -> Self {
        Self::with(Origins::Any)
    }

    /// Allows pages of these origins: `https://example.org`, with the port if it is not the
    /// scheme's default.
    pub fn origins<O: Into<String>>(origins: impl IntoIterator<Item = O>) -> Self {
        Self::with(Origins::List(origins.into_iter().map(Into::into).collect()))
    }

    /// Allows pages of the origins for which the closure returns `true`.
    pub fn origins_by(is_allowed: impl Fn(&str) -> bool + 'static) -> Self {
        Self::with(Origins::Closure(Box::new(is_allowed)))
    }

    fn with(origins: Origins) -> Self {
        Self {
            origins,
            methods: None,
            headers: Vec::new(),
            exposed: Vec::new(),
            max_age: Duration::from_secs(600),
            credentials: false,
        }
    }

    /// The methods that scripts may use; GET, HEAD and POST by default.
    #[must_use]
    pub fn methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.methods = Some(methods.into_iter().collect());
        self
    }

    /// The headers that scripts may send beside the simple ones; none by default. A body of JSON
    /// needs `content-type`.
    #[must_use]
    pub fn headers(mut self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        self.headers.extend(names);
        self
    }

    /// The headers of answers that scripts may read beside the simple ones; none by default.
    #[must_use]
    pub fn expose(mut self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        self.exposed.extend(names);
        self
    }

    /// How long a browser remembers a preflight; 10 minutes by default.
    #[must_use]
    pub fn max_age(mut self, time: Duration) -> Self {
        self.max_age = time;
        self
    }

    /// Lets scripts send requests with the cookies and the password of the user.
    #[must_use]
    pub fn credentials(mut self) -> Self {
        self.credentials = true;
        self
    }

    /// The value of `Access-Control-Allow-Origin` for a page of `origin`.
    fn allowed(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        let text = origin.to_str().ok()?;
        let is_allowed = match &self.origins {
            Origins::Any => return Some(HeaderValue::from_static("*")),
            // Byte by byte, as the Fetch standard compares them; browsers send them in lower case.
            Origins::List(list) => list.iter().any(|known| known == text),
            Origins::Closure(is_allowed) => is_allowed(text),
        };
        // The origin itself and not `*`, which browsers refuse with credentials.
        is_allowed.then(|| origin.clone())
    }

    fn methods_or_default(&self) -> &[Method] {
        match &self.methods {
            Some(methods) => methods,
            None => &[Method::GET, Method::HEAD, Method::POST],
        }
    }

    fn add_origin(&self, origin: HeaderValue, headers: &mut HeaderMap) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if self.credentials {
            let yes = HeaderValue::from_static("true");
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
        }
    }

    /// The answer to a preflight for `method`.
    fn preflight(&self, origin: &HeaderValue, method: &HeaderValue) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        let varies = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
        headers.insert(header::VARY, HeaderValue::from_static(varies));
        let methods = self.methods_or_default();
        // Methods are compared with their case (RFC 9110, 9.1).
        let is_asked = |known: &Method| known.as_str().as_bytes() == method.as_bytes();
        let Some(origin) = self
            .allowed(origin)
            .filter(|_| methods.iter().any(is_asked))
        else {
            return response;
        };
        self.add_origin(origin, headers);
        add_list(header::ACCESS_CONTROL_ALLOW_METHODS, methods, headers);
        add_list(header::ACCESS_CONTROL_ALLOW_HEADERS, &self.headers, headers);
        let seconds = HeaderValue::from(self.max_age.as_secs());
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, seconds);
        response
    }
}

/// Adds a header with all of `values`, unless there are none.
fn add_list<T: AsRef<str>>(name: HeaderName, values: &[T], headers: &mut HeaderMap) {
    let texts: Vec<_> = values.iter().map(AsRef::as_ref).collect();
    // Names and methods are tokens, which may stand in a header.
    if let (false, Ok(value)) = (texts.is_empty(), HeaderValue::try_from(texts.join(", "))) {
        headers.insert(name, value);
    }
}

impl Middleware for Cors {
    fn handle(&self, request: Request, next: Next) -> Answer {
        let origin = request.headers().get(header::ORIGIN).cloned();
        let asked = request.headers().get(header::ACCESS_CONTROL_REQUEST_METHOD);
        // Only a request with all three is a preflight: any other `OPTIONS` goes to its handler.
        if let (&Method::OPTIONS, Some(origin), Some(method)) = (request.method(), &origin, asked) {
            return Answer::now(self.preflight(origin, method));
        }
        let mut added = HeaderMap::new();
        if let Some(allowed) = origin.and_then(|origin| self.allowed(&origin)) {
            self.add_origin(allowed, &mut added);
            add_list(
                header::ACCESS_CONTROL_EXPOSE_HEADERS,
                &self.exposed,
                &mut added,
            );
        }
        // Set even if the request has no `Origin`: a cache must not give its answer to a page of
        // another origin.
        let varies = !matches!(self.origins, Origins::Any);
        next.respond(request).map_response(move |response| {
            let headers = response.headers_mut();
            if varies {
                headers.append(header::VARY, HeaderValue::from_static("Origin"));
            }
            // Replaces what a handler has set, since browsers refuse an answer with two origins.
            headers.extend(added);
        })
    }

    fn prepare(&self) -> Result<()> {
        if self.credentials && matches!(self.origins, Origins::Any) {
            return Err(Failure::msg(
                "CORS with credentials for any origin would give every site what users see",
            ));
        }
        if let Origins::List(list) = &self.origins {
            // A browser never sends an origin of another form, so such an entry would allow
            // nothing.
            let is_none = |origin: &&String| {
                let rest = origin.split_once("://").map(|(_, rest)| rest);
                rest.is_none_or(|rest| rest.is_empty() || rest.contains('/'))
            };
            if let Some(wrong) = list.iter().find(is_none) {
                let form = "an origin is a scheme and a host, as https://example.org";
                return Err(Failure::msg(format!("CORS for {wrong:?}: {form}")));
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Cors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cors")
            .field("methods", &self.methods)
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}
