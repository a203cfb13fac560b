//! `CookieJar`: the cookies of a client.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use cookie::Cookie;
use cookie_store::CookieStore;
use deferred::{Failure, Result};
use http::{HeaderMap, HeaderValue, header};
use url::Url;

/// The most cookies of one domain.
// RFC 6265, 6.1, asks for at least 50 of a domain and 3000 in all.
const PER_DOMAIN: usize = 100;

/// The most cookies in all.
const IN_ALL: usize = 3000;

/// Cookies that servers have set, by the rules of RFC 6265: for
/// [`ClientBuilder::cookies`](super::ClientBuilder::cookies). Clones share their cookies.
///
/// Cookies expire by the clock of the system, even in a test whose clock is virtual. Beyond 100
/// cookies of one domain, or 3000 in all, no new one is accepted; expired cookies do not count.
///
/// A server may set cookies for its domain and its parent domains, but not for a public suffix such
/// as `co.uk`, whose subdomains have different owners. The list of public suffixes changes every
/// few days, so none is built in: by default, only the top-level domains count as public.
/// [`with_public_suffixes`](Self::with_public_suffixes) takes a list.
///
/// # Examples
///
/// ```
/// # use reactor_web::{App, serve};
/// # use reactor::testing::TestReactor;
/// use reactor_web::Client;
/// use reactor_web::client::{ClientResponse, CookieJar};
///
/// # let reactor = TestReactor::new();
/// # let app = App::new()
/// #     .get("/login", |_| ([("set-cookie", "name=ann; HttpOnly")], "hello"))
/// #     .get("/me", |req| req.cookie("name").unwrap_or_default());
/// # reactor.result_of(serve(&reactor, "tcp:80:interface=127.0.0.1", app))?;
/// let jar = CookieJar::new();
/// let client = Client::builder().cookies(&jar).build(&reactor);
/// let me = client
///     .get("http://127.0.0.1/login")
///     .add_callback(move |_| client.get("http://127.0.0.1/me"))
///     .add_callback(ClientResponse::text);
/// assert_eq!(reactor.result_of(me)?, "ann");
/// assert_eq!(jar.header("http://127.0.0.1/"), Some("name=ann".to_owned()));
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Clone, Default)]
#[doc(alias = "CookieAgent")]
pub struct CookieJar(Rc<RefCell<CookieStore>>);

impl CookieJar {
    /// A jar without cookies.
    pub fn new() -> Self {
        Self::default()
    }

    /// A jar that accepts no cookies for the domains of `list`, which is the text of
    /// <https://publicsuffix.org/list/public_suffix_list.dat>.
    ///
    /// # Errors
    ///
    /// `list` cannot be parsed.
    pub fn with_public_suffixes(list: &str) -> Result<Self> {
        let parsed = list.parse::<publicsuffix::List>();
        let list = parsed.map_err(|error| Failure::msg(error.to_string()))?;
        let store = CookieStore::new_with_public_suffix(Some(list));
        Ok(Self(Rc::new(RefCell::new(store))))
    }

    /// Sets a cookie as a server at `url` would by the header `Set-Cookie`. Returns whether it was
    /// taken.
    pub fn set(&self, url: &str, set_cookie: &str) -> bool {
        match (Url::parse(url), Cookie::parse(set_cookie.to_owned())) {
            (Ok(url), Ok(cookie)) => self.insert(&url, cookie),
            _ => false,
        }
    }

    /// The value of `Cookie` in a request for `url`; `None` if no cookie is to be sent.
    pub fn header(&self, url: &str) -> Option<String> {
        self.value(&Url::parse(url).ok()?)
    }

    /// Number of cookies.
    pub fn len(&self) -> usize {
        self.0.borrow().iter_unexpired().count()
    }

    /// Whether it has no cookies.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets all cookies.
    pub fn clear(&self) {
        self.0.borrow_mut().clear();
    }

    fn insert(&self, url: &Url, cookie: Cookie<'static>) -> bool {
        // The conversion sets domain and path from `url` if the header has not named them.
        let Ok(cookie) = cookie_store::Cookie::try_from_raw_cookie(&cookie, url) else {
            return false;
        };
        let mut store = self.0.borrow_mut();
        let domain = String::from(&cookie.domain);
        // A cookie that replaces or deletes another one has to be accepted even at the bound.
        // Domain, path and name identify a cookie (RFC 6265, 5.3).
        let is_known = store.contains_any(&domain, &cookie.path, cookie.name());
        if !is_known && is_full(&store, &domain) {
            // The store keeps expired cookies until they are removed.
            remove_expired(&mut store);
            if is_full(&store, &domain) {
                return false;
            }
        }
        // `insert` refuses a cookie for a domain that `url` is not in, or that is public.
        store.insert(cookie.into_owned(), url).is_ok()
    }

    /// Takes the cookies of an answer.
    pub(super) fn take(&self, headers: &HeaderMap, url: &Url) {
        for value in headers.get_all(header::SET_COOKIE) {
            // A header that is not a valid cookie is skipped, as in browsers.
            if let Ok(text) = str::from_utf8(value.as_bytes())
                && let Ok(cookie) = Cookie::parse(text.to_owned())
            {
                self.insert(url, cookie);
            }
        }
    }

    fn value(&self, url: &Url) -> Option<String> {
        let store = self.0.borrow();
        // In one header, as RFC 6265, 5.4, prescribes.
        let pairs: Vec<String> = store
            .get_request_values(url)
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// The cookies for `url`, as the value of `Cookie`, unless `headers` have one already.
    pub(super) fn cookie(&self, headers: &HeaderMap, url: &Url) -> Option<HeaderValue> {
        if headers.contains_key(header::COOKIE) {
            return None;
        }
        HeaderValue::try_from(self.value(url)?).ok()
    }
}

/// Whether another cookie of `domain` would exceed a bound.
fn is_full(store: &CookieStore, domain: &str) -> bool {
    let (mut of_domain, mut all) = (0, 0);
    for known in store.iter_any() {
        of_domain += usize::from(String::from(&known.domain) == domain);
        all += 1;
    }
    of_domain >= PER_DOMAIN || all >= IN_ALL
}

fn remove_expired(store: &mut CookieStore) {
    let expired: Vec<_> = store
        .iter_any()
        .filter(|cookie| cookie.is_expired())
        .map(|cookie| {
            let (domain, path) = (String::from(&cookie.domain), String::from(&cookie.path));
            (domain, path, cookie.name().to_owned())
        })
        .collect();
    for (domain, path, name) in expired {
        store.remove(&domain, &path, &name);
    }
}

impl fmt::Debug for CookieJar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the cookies, whose values are secrets.
        f.debug_struct("CookieJar")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
