//! `Proxy`: which requests go through a proxy, and which one.

use http::Uri;
use hyper_util::client::proxy::matcher::{Builder, Matcher};
use url::Url;

use super::error::ClientError;
use super::origin::{Origin, Via, shown};

/// Which requests go through a proxy: for [`ClientBuilder::proxy`](super::ClientBuilder::proxy).
///
/// A request for an `http` URL is sent to the proxy, with the whole URL. For an `https` URL, the
/// proxy opens a tunnel to the server (`CONNECT`), so it sees only the host and the port. The URL
/// of the proxy contains its user and password, if it needs them.
///
/// # Examples
///
/// ```
/// use reactor::testing::TestReactor;
/// use reactor_web::Client;
/// use reactor_web::client::Proxy;
///
/// let reactor = TestReactor::new();
/// let proxy = Proxy::all("http://me:secret@proxy.example:3128")?
///     .except("localhost,.intranet.example,10.0.0.0/8");
/// let client = Client::builder().proxy(proxy).build(&reactor);
/// # drop(client);
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Clone, Debug)]
#[doc(alias = "ProxyAgent")]
pub struct Proxy {
    http: Option<String>,
    https: Option<String>,
    except: String,
}

impl Proxy {
    /// A proxy for all requests.
    ///
    /// # Errors
    ///
    /// [`ClientError::BadUrl`]: `url` is not `http://HOST[:PORT]`.
    pub fn all(url: &str) -> Result<Self, ClientError> {
        let url = checked(url)?;
        Ok(Self {
            http: Some(url.clone()),
            https: Some(url),
            except: String::new(),
        })
    }

    /// A proxy for requests of `http` URLs.
    ///
    /// # Errors
    ///
    /// As for [`all`](Self::all).
    pub fn http(url: &str) -> Result<Self, ClientError> {
        Ok(Self {
            https: None,
            ..Self::all(url)?
        })
    }

    /// A proxy for requests of `https` URLs.
    ///
    /// # Errors
    ///
    /// As for [`all`](Self::all).
    pub fn https(url: &str) -> Result<Self, ClientError> {
        Ok(Self {
            http: None,
            ..Self::all(url)?
        })
    }

    /// Hosts to which requests go directly, in the format of the variable `NO_PROXY`: names, each
    /// with the domains below it, addresses, and ranges of addresses, separated by commas; `*` for
    /// all.
    pub fn except(mut self, hosts: impl Into<String>) -> Self {
        self.except = hosts.into();
        self
    }

    /// The proxies of the environment variables `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and
    /// `NO_PROXY`, in upper or lower case. `HTTP_PROXY` in upper case is not read if this process
    /// is a CGI script, since a client could set it by a header.
    ///
    /// # Errors
    ///
    /// As for [`all`](Self::all).
    pub fn from_env() -> Result<Self, ClientError> {
        let read = |names: &[&str]| {
            let mut values = names.iter().filter_map(|name| std::env::var(name).ok());
            values.find(|value| !value.is_empty())
        };
        let is_cgi = std::env::var_os("REQUEST_METHOD").is_some();
        // A CGI script gets the header `Proxy` of its client as `HTTP_PROXY` (httpoxy,
        // CVE-2016-5385).
        let http: &[&str] = if is_cgi {
            &["http_proxy", "all_proxy", "ALL_PROXY"]
        } else {
            &["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]
        };
        let https = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
        let checked = |value: Option<String>| value.map(|url| checked(&url)).transpose();
        Ok(Self {
            http: checked(read(http))?,
            https: checked(read(&https))?,
            except: read(&["no_proxy", "NO_PROXY"]).unwrap_or_default(),
        })
    }

    pub(super) fn into_rule(self) -> ProxyRule {
        let mut builder: Builder = Matcher::builder().no(self.except);
        if let Some(http) = self.http {
            builder = builder.http(http);
        }
        if let Some(https) = self.https {
            builder = builder.https(https);
        }
        ProxyRule(builder.build())
    }
}

/// A [`Proxy`] prepared for the look-up of each request.
pub(super) struct ProxyRule(Matcher);

impl ProxyRule {
    /// The proxy of a request for `url`.
    pub(super) fn via(&self, url: &Uri) -> Result<Option<Via>, ClientError> {
        let Some(found) = self.0.intercept(url) else {
            return Ok(None);
        };
        let text = found.uri().to_string();
        let parsed = Url::parse(&text).map_err(|error| bad(text, error.to_string()))?;
        Ok(Some(Via {
            origin: Origin::of(&parsed)?,
            authorization: found.basic_auth().cloned(),
        }))
    }
}

/// The URL of a proxy, if this client can use it. `hyper-util` ignores a URL that it cannot parse,
/// and requests would then go directly to their servers, so this refuses it.
fn checked(text: &str) -> Result<String, ClientError> {
    let with_scheme = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    let parsed = Url::parse(&with_scheme);
    let url = parsed.map_err(|error| bad("the URL of a proxy".to_owned(), error.to_string()))?;
    if url.scheme() != "http" || url.host_str().is_none() {
        let reason = "a proxy is http://HOST[:PORT]".to_owned();
        return Err(bad(shown(&url).into(), reason));
    }
    // With its user and password, which the rule takes out of it for each request.
    Ok(url.into())
}

fn bad(url: String, reason: String) -> ClientError {
    ClientError::BadUrl { url, reason }
}
