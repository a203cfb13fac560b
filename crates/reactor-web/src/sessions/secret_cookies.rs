//! Signed and encrypted cookies, which clients cannot change, or not even read.

use cookie::{Cookie, CookieJar, Key};

use crate::request::Request;

/// `cookie` with a signature: clients can read its value, but not change it. The signature is valid
/// only for this name. [`Request::signed_cookie`] reads it.
///
/// # Examples
///
/// ```
/// use reactor_web::cookie::{Cookie, Key};
/// use reactor_web::sessions::sign_cookie;
/// use reactor_web::{App, testing::TestClient};
///
/// let key = Key::generate();
/// let signing = key.clone();
/// let app = App::new()
///     .get("/choose", move |_| (sign_cookie(Cookie::new("plan", "large"), &signing), "chosen"))
///     .get("/plan", move |req| req.signed_cookie("plan", &key).unwrap_or("small".to_owned()));
/// let client = TestClient::new(app)?;
/// let answer = client.get("/choose");
/// let cookie = answer.header("set-cookie").unwrap();
/// assert_eq!(client.get_with("/plan", &[("cookie", cookie)]).text(), "large");
/// assert_eq!(client.get_with("/plan", &[("cookie", "plan=large")]).text(), "small");
/// # Ok::<(), deferred::Failure>(())
/// ```
pub fn sign_cookie(cookie: Cookie<'static>, key: &Key) -> Cookie<'static> {
    // The crate signs only the value, so the name is put into it.
    let bound = format!("{}={}", cookie.name(), cookie.value());
    with_value(cookie, bound, |jar, cookie| {
        jar.signed_mut(key).add(cookie);
    })
}

/// `cookie` with its value encrypted: clients can neither read nor change it.
/// [`Request::private_cookie`] reads it.
///
/// # Examples
///
/// ```
/// use reactor_web::cookie::{Cookie, Key};
/// use reactor_web::sessions::encrypt_cookie;
///
/// let cookie = encrypt_cookie(Cookie::new("plan", "large"), &Key::generate());
/// assert!(!cookie.value().contains("large"));
/// ```
pub fn encrypt_cookie(cookie: Cookie<'static>, key: &Key) -> Cookie<'static> {
    // The crate encrypts with the name as associated data, so the name need not be put into the
    // value.
    let value = cookie.value().to_owned();
    with_value(cookie, value, |jar, cookie| {
        jar.private_mut(key).add(cookie);
    })
}

/// `cookie` with the value that `add` puts into a jar for `value`.
fn with_value(
    mut cookie: Cookie<'static>,
    value: String,
    add: impl FnOnce(&mut CookieJar, Cookie<'static>),
) -> Cookie<'static> {
    // The crate signs and encrypts only what is put into a jar.
    let mut jar = CookieJar::new();
    let name = cookie.name().to_owned();
    add(&mut jar, Cookie::new(name.clone(), value));
    // Always there: it was just added.
    if let Some(made) = jar.get(&name) {
        cookie.set_value(made.value().to_owned());
    }
    cookie
}

/// The value of a signed cookie, if it was signed with `key` for `name`.
pub(super) fn verify(name: &str, value: String, key: &Key) -> Option<String> {
    let signed = Cookie::new(name.to_owned(), value);
    let bound = CookieJar::new().signed(key).verify(signed)?;
    // The crate's signature covers only the value, so this checks that it was made for this name.
    let value = bound.value().strip_prefix(name)?.strip_prefix('=')?;
    Some(value.to_owned())
}

/// The value of an encrypted cookie, if it was encrypted with `key` for `name`.
pub(super) fn decrypt(name: &str, value: String, key: &Key) -> Option<String> {
    let encrypted = Cookie::new(name.to_owned(), value);
    let decrypted = CookieJar::new().private(key).decrypt(encrypted)?;
    Some(decrypted.value().to_owned())
}

impl Request {
    /// The value of a cookie of [`sign_cookie`]; `None` if it was changed, or signed with another
    /// key.
    pub fn signed_cookie(&self, name: &str, key: &Key) -> Option<String> {
        verify(name, self.cookie(name)?, key)
    }

    /// The value of a cookie of [`encrypt_cookie`]; `None` if it was changed, or encrypted with
    /// another key.
    pub fn private_cookie(&self, name: &str, key: &Key) -> Option<String> {
        decrypt(name, self.cookie(name)?, key)
    }
}
