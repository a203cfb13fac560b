//! `CookieStore`: keeps the values of a session in its cookie.

use std::fmt;
use std::time::Duration;

use cookie::{Cookie, Key};
use deferred::{Deferred, Failure, Result, succeed};
use reactor::ReactorHandle;

use super::secret_cookies::{decrypt, encrypt_cookie, sign_cookie, verify};
use super::store::{SessionData, SessionStore};

/// The longest value of a cookie that browsers accept, less room for its name and attributes.
// RFC 6265, 6.1: 4096 bytes with name and attributes.
const MAX_LENGTH: usize = 3840;

/// The name under which values are signed or encrypted, whatever the name of the cookie is.
// A fixed name, since the store does not know the name of the cookie.
const NAME: &str = "session";

/// Keeps the values of a session in its cookie, signed or encrypted. The server stores nothing, so
/// all processes with the same key can read them, even after a restart.
///
/// The price: a session cannot be revoked. After its end or renewal, a client that has kept the old
/// cookie can use that until it expires. Of two requests at once, the last answer wins. All values
/// together must fit into one cookie: more than 3,840 bytes are a failure.
///
/// # Examples
///
/// ```
/// use reactor_web::App;
/// use reactor_web::cookie::Key;
/// use reactor_web::sessions::{CookieStore, Sessions};
///
/// // 64 bytes, from a file that others cannot read; `Key::generate` makes one.
/// let secret = [7; 64];
/// let sessions = Sessions::new(CookieStore::private(Key::from(&secret)));
/// App::new().wrap(sessions).into_site()?;
/// # Ok::<(), deferred::Failure>(())
/// ```
pub struct CookieStore {
    key: Key,
    is_private: bool,
}

impl CookieStore {
    /// Signs the cookie: clients can read the values, but not change them.
    pub fn signed(key: Key) -> Self {
        let is_private = false;
        Self { key, is_private }
    }

    /// Encrypts the cookie: clients can neither read nor change the values.
    pub fn private(key: Key) -> Self {
        let is_private = true;
        Self { key, is_private }
    }

    fn seal(&self, data: &SessionData) -> Result<String> {
        let cookie = Cookie::new(NAME, serde_json::to_string(data)?);
        let sealed = match self.is_private {
            true => encrypt_cookie(cookie, &self.key),
            false => sign_cookie(cookie, &self.key),
        };
        let token = sealed.value().to_owned();
        // The length as it is sent, percent-encoded.
        let length = sealed.encoded().to_string().len();
        match length <= MAX_LENGTH {
            true => Ok(token),
            false => Err(Failure::msg(format!(
                "the values of a session need a cookie of {length} bytes, of {MAX_LENGTH} that there may be"
            ))),
        }
    }
}

impl SessionStore for CookieStore {
    fn load(&self, _: &ReactorHandle, token: &str) -> Deferred<Option<SessionData>> {
        let open = if self.is_private { decrypt } else { verify };
        let text = open(NAME, token.to_owned(), &self.key);
        // A session of an older version of the program may have another form, and is dropped.
        succeed(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    fn save(
        &self,
        _: &ReactorHandle,
        _: Option<&str>,
        data: &SessionData,
        _: Duration,
    ) -> Deferred<Option<String>> {
        self.seal(data).map(Some).into()
    }

    fn remove(&self, _: &ReactorHandle, _: &str) -> Deferred<()> {
        succeed(())
    }
}

/// Without the key.
impl fmt::Debug for CookieStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CookieStore")
            .field("is_private", &self.is_private)
            .finish_non_exhaustive()
    }
}
