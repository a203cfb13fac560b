//! `Forwarded`: the client of a request that came through a proxy.

mod hops;
mod proxies;

use std::fmt;

use deferred::{Failure, Result};
use http::header::{FORWARDED, HOST};
use http::uri::{Authority, Scheme};
use http::{HeaderName, HeaderValue, Uri};

use self::hops::{Found, Malformed};
use self::proxies::Proxies;
use crate::app::{Middleware, Next};
use crate::error::HttpError;
use crate::request::{
    ForwardedClient, ORIGINS, Request, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO,
    is_host,
};
use crate::response::Answer;

/// Replaces the client of a request by the one that a trusted proxy names: [`peer`](Request::peer)
/// is then the client's address, [`is_secure`](Request::is_secure) says whether the *client's*
/// connection is encrypted, and `Host` is the host that the client has asked for. `Forwarded`
/// should be the outermost middleware ([wrapped](crate::App::wrap) last), so that logs, limits and
/// redirects see the client.
///
/// The client is looked for in this order, and the first address that is not a trusted proxy wins:
///
/// 1. the address at the other end of the connection: behind a filter of
///    [`proxy_protocol`](reactor::filter::proxy_protocol), the one in the PROXY header;
/// 2. if that is a trusted proxy, the addresses in one header, from right to left, since each proxy
///    adds on the right: what stands to the left of the client's own address is what the client
///    claims. If all of them are trusted, the left-most wins.
///
/// | header | what is used | chosen by |
/// |---|---|---|
/// | `X-Forwarded-For` | the address; with it, the last value of `X-Forwarded-Proto` | the default |
/// | `X-Forwarded-Host` | its last value | [`x_forwarded_host`](Self::x_forwarded_host) |
/// | `Forwarded` (RFC 7239) | `for`, `proto` and `host` of the same element | [`standard`](Self::standard) |
/// | `Forwarded` if it is there, else `X-Forwarded-*` | as above | [`standard_first`](Self::standard_first) |
///
/// A proxy passes on headers that it does not know. So choose the headers that *your* proxy sets on
/// each request, and no others; those that are not chosen are removed (`X-Real-IP`,
/// `X-Forwarded-Port` and `X-Forwarded-Prefix` stay with `X-Forwarded-For`), and all of them if the
/// peer is not trusted, so that no handler trusts them. An address that is missing, `unknown` or an
/// obfuscated name (`_secret`, RFC 7239) ends the search: the peer is then the proxy that was found
/// last. If a header names no protocol or no host, those of the proxy's own request stay. A port
/// that no header names is 0. A `Forwarded` that cannot be parsed, or a host that is invalid, is
/// answered with 400.
///
/// The app is not served if the text of a proxy is neither an address nor a prefix of addresses.
///
/// # Examples
///
/// Behind nginx on the same machine, with `proxy_set_header X-Forwarded-For
/// $proxy_add_x_forwarded_for` and `X-Forwarded-Proto $scheme`:
///
/// ```
/// use reactor_web::middleware::Forwarded;
/// use reactor_web::{App, testing::TestClient};
///
/// let app = App::new()
///     .get("/", |req| match req.peer().ip() {
///         Some(client) => format!("{client} {}", req.is_secure()),
///         None => "unknown".to_owned(),
///     })
///     .wrap(Forwarded::from_proxies(["127.0.0.0/8", "::1"]));
/// let client = TestClient::new(app)?;
/// // The client has claimed to be 192.0.2.1; nginx has added the address that it saw.
/// let headers = [("x-forwarded-for", "192.0.2.1, 203.0.113.9"), ("x-forwarded-proto", "https")];
/// assert_eq!(client.get_with("/", &headers).text(), "203.0.113.9 true");
/// # Ok::<(), deferred::Failure>(())
/// ```
#[doc(alias = "ProxyFix", alias = "TrustedProxies", alias = "RealIp")]
#[derive(Clone)]
pub struct Forwarded {
    proxies: Proxies,
    header: Header,
    takes_host: bool,
}

/// Which headers are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Header {
    XForwarded,
    Standard,
    StandardFirst,
}

impl Forwarded {
    /// Trusts proxies with these addresses, or within these prefixes (`10.0.0.0/8`, `fd00::/8`).
    pub fn from_proxies(proxies: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        Self {
            proxies: Proxies::new(proxies),
            header: Header::XForwarded,
            takes_host: false,
        }
    }

    /// Trusts a proxy that connects to a UNIX socket, too.
    #[must_use]
    pub fn unix(mut self) -> Self {
        self.proxies.trust_unix();
        self
    }

    /// Uses `Forwarded` (RFC 7239), and not `X-Forwarded-*`.
    #[must_use]
    pub fn standard(mut self) -> Self {
        self.header = Header::Standard;
        self
    }

    /// Uses `Forwarded` if the request has it, and `X-Forwarded-*` if not. Only for proxies that
    /// set or remove both: otherwise a client could send one of them, and choose its own address.
    #[must_use]
    pub fn standard_first(mut self) -> Self {
        self.header = Header::StandardFirst;
        self
    }

    /// Uses the host of `X-Forwarded-Host`, too. Only for proxies that set this header on each
    /// request: many pass on the client's, so that the client would choose the host of links and
    /// redirects.
    #[must_use]
    pub fn x_forwarded_host(mut self) -> Self {
        self.takes_host = true;
        self
    }

    fn takes_standard(&self, request: &Request) -> bool {
        match self.header {
            Header::XForwarded => false,
            Header::Standard => true,
            Header::StandardFirst => request.headers().contains_key(FORWARDED),
        }
    }

    /// Replaces the client of `request`, if a trusted proxy names another.
    fn apply(&self, request: &mut Request) -> Result<(), HttpError> {
        if !self.proxies.trust(request.connection_peer()) {
            remove_all_but(request, |_| false);
            return Ok(());
        }
        let is_standard = self.takes_standard(request);
        remove_all_but(request, |name| {
            (*name == FORWARDED) == is_standard && (self.takes_host || *name != X_FORWARDED_HOST)
        });
        let headers = request.headers();
        let found = if is_standard {
            hops::of_standard(headers, &self.proxies)?
        } else {
            let host = self
                .takes_host
                .then(|| hops::last(headers, X_FORWARDED_HOST));
            Found {
                peer: hops::of_list(headers, X_FORWARDED_FOR, &self.proxies),
                proto: hops::last(headers, X_FORWARDED_PROTO),
                host: host.flatten(),
            }
        };
        if found == Found::default() {
            return Ok(());
        }
        let client = ForwardedClient {
            is_secure: match found.proto.as_deref() {
                Some(proto) if is_one_of(proto, ["https", "wss"]) => true,
                Some(proto) if is_one_of(proto, ["http", "ws"]) => false,
                _ => request.is_connection_secure(),
            },
            peer: match found.peer {
                Some(peer) => peer.into(),
                None => request.connection_peer().clone(),
            },
        };
        request.set_client(client);
        match found.host {
            Some(host) => set_host(request, host),
            None => Ok(()),
        }
    }
}

impl From<Malformed> for HttpError {
    fn from(_: Malformed) -> Self {
        Self::bad_request("the Forwarded header cannot be parsed")
    }
}

fn is_one_of(proto: &str, names: [&str; 2]) -> bool {
    names.iter().any(|name| proto.eq_ignore_ascii_case(name))
}

/// Removes the headers that say where the request is from, except those for which `stays` is true.
fn remove_all_but(request: &mut Request, stays: impl Fn(&HeaderName) -> bool) {
    for name in ORIGINS.iter().filter(|name| !stays(name)) {
        request.headers_mut().remove(name);
    }
}

/// Replaces the host that the request asks for.
fn set_host(request: &mut Request, host: String) -> Result<(), HttpError> {
    let wrong = |_| HttpError::bad_request("the forwarded host is no host");
    if host.is_empty() || !is_host(host.as_bytes()) {
        return Err(wrong(()));
    }
    // HTTP/2, and a target with a whole URL, name the host in the target, which then takes
    // precedence.
    if request.uri().authority().is_some() {
        let mut target = request.uri().clone().into_parts();
        target.authority = Some(Authority::try_from(host.as_str()).map_err(|_| wrong(()))?);
        let scheme = if request.is_secure() {
            Scheme::HTTPS
        } else {
            Scheme::HTTP
        };
        target.scheme = Some(scheme);
        request.set_uri(Uri::from_parts(target).map_err(|_| wrong(()))?);
    }
    let host = HeaderValue::try_from(host).map_err(|_| wrong(()))?;
    request.headers_mut().insert(HOST, host);
    Ok(())
}

impl Middleware for Forwarded {
    fn handle(&self, mut request: Request, next: Next) -> Answer {
        match self.apply(&mut request) {
            Ok(()) => next.run(request),
            Err(error) => Answer::failed(error),
        }
    }

    fn prepare(&self) -> Result<()> {
        match self.proxies.invalid() {
            Some(text) => Err(Failure::msg(format!(
                "{text:?} is no address of a proxy, and no prefix of addresses"
            ))),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Forwarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forwarded")
            .field("proxies", &self.proxies)
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}
