//! `Csrf`: keeps pages of other sites from sending forms (cross-site request forgery).

use std::fmt;
use std::rc::Rc;

use deferred::{Deferred, Result, inline_callbacks};
use http::{Method, StatusCode, header};
use subtle::ConstantTimeEq;

use super::multipart_field::first_field;
use super::session::Session;
use crate::app::{Middleware, Next};
use crate::body::Body;
use crate::error::HttpError;
use crate::random;
use crate::request::Request;
use crate::response::{Answer, Response};

/// The name of the session's value that holds the secret.
const VALUE: &str = "csrf";

/// The header in which scripts send the token.
const HEADER: &str = "x-csrf-token";

/// The form field with the token.
const FIELD: &str = "csrf_token";

/// Bytes of the secret.
const LENGTH: usize = 16;

/// Keeps pages of other sites from sending forms in the name of a user whose browser has a
/// session here (cross-site request forgery).
///
/// Requests with GET, HEAD, OPTIONS and TRACE pass; handlers for them must not change anything. Any
/// other request is answered with 403, unless both conditions hold:
///
/// - The browser does not say that the request comes from another site: `Sec-Fetch-Site` is
///   `same-origin` or `none`, and `Origin` names the host of the request, or one of
///   [`trust_origin`](Self::trust_origin). A browser sends these headers; other clients need not.
/// - The request has the token of its session, from
///   [`Request::csrf_token`](crate::Request::csrf_token): in the header `X-CSRF-Token`, or in the
///   field `csrf_token` of a form. In a form with files, the token has to be the first field, so
///   that the files can be read as a stream.
///
/// Put it inside of [`Sessions`](super::Sessions). The cookie of these is `SameSite=Lax`, which
/// protects, too.
///
/// # Examples
///
/// ```
/// use reactor_web::sessions::{Csrf, Sessions};
/// use reactor_web::{App, Html, testing::TestClient};
///
/// let app = App::new()
///     .get("/", |req| {
///         let token = req.csrf_token()?;
///         Ok(Html(format!(
///             "<form method=post><input type=hidden name=csrf_token value={token}><button>Send",
///         )))
///     })
///     .post("/", |_| "sent")
///     .wrap(Csrf::new())
///     .wrap(Sessions::in_memory());
/// let client = TestClient::new(app)?;
/// assert_eq!(client.post_form("/", "").status(), 403);
///
/// let page = client.get("/");
/// let cookie = page.header("set-cookie").unwrap();
/// let (_, token) = page.text().split_once("value=").unwrap();
/// let token = token.split('>').next().unwrap();
/// let headers = [("cookie", cookie), ("x-csrf-token", token)];
/// let answer = client.send(http::Method::POST, "/", &headers, reactor_web::Body::empty());
/// assert_eq!(answer.text(), "sent");
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Default)]
pub struct Csrf(Rc<Vec<String>>);

impl Csrf {
    /// Protects the handlers around which it is put.
    pub fn new() -> Self {
        Self::default()
    }

    /// Accepts forms from this origin, too: `https://example.org`. They need the token as well.
    #[must_use]
    pub fn trust_origin(mut self, origin: impl Into<String>) -> Self {
        Rc::make_mut(&mut self.0).push(origin.into());
        self
    }
}

impl Request {
    /// The token that [`Csrf`] requires in a form of this session. Makes the session, if there is
    /// none. Each call returns another text, all of which are valid, so that the lengths of
    /// compressed pages do not reveal the secret.
    ///
    /// # Errors
    ///
    /// There is no [`Sessions`](crate::sessions::Sessions) around this handler.
    pub fn csrf_token(&self) -> Result<String> {
        let session = self.session()?;
        let secret = match secret_of(&session)? {
            Some(secret) => secret,
            None => {
                let secret = random::bytes::<LENGTH>()?;
                // The secret lasts as long as the session, so that several pages of a browser may
                // be open at once.
                session.insert(VALUE, secret)?;
                secret
            }
        };
        // A new mask for each text: so the length of a compressed page does not reveal the secret
        // (BREACH).
        let mask = random::bytes::<LENGTH>()?;
        let masked: Vec<_> = mask
            .iter()
            .zip(secret)
            .map(|(mask, byte)| mask ^ byte)
            .collect();
        Ok(random::hex(&mask) + &random::hex(&masked))
    }
}

fn secret_of(session: &Session) -> Result<Option<[u8; LENGTH]>> {
    session.get(VALUE)
}

/// Whether `token` is a masked form of `secret`.
fn is_token(token: &str, secret: &[u8; LENGTH]) -> bool {
    let digits = token.as_bytes().as_chunks::<2>().0.iter().map(|pair| {
        let pair = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(pair, 16).ok()
    });
    let Some(bytes) = digits.collect::<Option<Vec<u8>>>() else {
        return false;
    };
    // `as_chunks` leaves an odd digit out.
    if token.len() != 4 * LENGTH {
        return false;
    }
    let (mask, masked) = bytes.split_at(LENGTH);
    let found: Vec<_> = mask
        .iter()
        .zip(masked)
        .map(|(mask, byte)| mask ^ byte)
        .collect();
    // Compared in constant time, so that the time does not tell how many bytes are right.
    bool::from(found.as_slice().ct_eq(secret.as_slice()))
}

fn is_safe(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE
    )
}

/// Whether the browser says that the request comes from another site.
fn is_foreign(request: &Request, trusted: &[String]) -> bool {
    let origin = request.headers().get(header::ORIGIN);
    if let Some(origin) = origin {
        let Ok(origin) = origin.to_str() else {
            return true;
        };
        // Returns before the check of `Sec-Fetch-Site`, which is `cross-site` for a trusted origin.
        if trusted.iter().any(|known| known == origin) {
            return false;
        }
        // The scheme is not compared, since a proxy may terminate TLS. An origin of `null` has no
        // host, and is foreign.
        let of_origin = origin.split_once("://").map(|(_, host)| host);
        if of_origin.is_none() || of_origin != request.authority() {
            return true;
        }
    }
    let site = request.header("sec-fetch-site");
    site.is_some_and(|site| site != "same-origin" && site != "none")
}

fn refused(why: &'static str) -> HttpError {
    HttpError::new(StatusCode::FORBIDDEN).with_message(why)
}

/// The token in a form, whose body is put back so that the handler can read it.
async fn token_in_body(request: &Request) -> Result<Option<String>> {
    let kind = request.header(header::CONTENT_TYPE).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        let bytes = request.bytes().await?;
        // Put back before the form is parsed, so that the handler gets the body even if that fails.
        request.put_body(Body::from(bytes.clone()));
        let fields: Vec<(String, String)> = serde_urlencoded::from_bytes(&bytes)
            .map_err(|error| HttpError::bad_request(format!("the form: {error}")))?;
        let found = fields.into_iter().find(|(name, _)| name == FIELD);
        return Ok(found.map(|(_, token)| token));
    }
    if essence.eq_ignore_ascii_case("multipart/form-data") {
        let boundary = multer::parse_boundary(kind);
        let boundary = boundary.map_err(crate::request::multipart_error)?;
        // Reads only the first field: the handler streams the files.
        let (field, body) = first_field(request.take_body(), boundary).await?;
        request.put_body(body);
        return Ok(field
            .filter(|(name, _)| name == FIELD)
            .map(|(_, token)| token));
    }
    Ok(None)
}

impl Middleware for Csrf {
    fn handle(&self, request: Request, next: Next) -> Answer {
        if is_safe(request.method()) {
            return next.run(request);
        }
        // Checked before the token, since this needs neither a session nor the body.
        if is_foreign(&request, &self.0) {
            return Answer::now(refused("the request comes from another site"));
        }
        let secret = match request.session().and_then(|session| secret_of(&session)) {
            Ok(secret) => secret,
            Err(failure) => return Answer::failed(failure),
        };
        let Some(secret) = secret else {
            return Answer::now(refused("the form has no token of this session"));
        };
        // If the header is there but wrong, the field is not looked at.
        if let Some(token) = request.header(HEADER) {
            return match is_token(token, &secret) {
                true => next.run(request),
                false => Answer::now(refused("the token is not that of this session")),
            };
        }
        let checked: Deferred<Response> = inline_callbacks(async move {
            match token_in_body(&request).await? {
                Some(token) if is_token(&token, &secret) => next.run(request).await,
                _ => Err(refused("the form has no token of this session").into()),
            }
        });
        Answer::later(checked)
    }
}

impl fmt::Debug for Csrf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Csrf").field("trusted", &self.0).finish()
    }
}
