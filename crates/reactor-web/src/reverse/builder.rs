//! `ReverseProxyBuilder`: the upstreams and rules of a reverse proxy.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use deferred::Result;
use reactor::ReactorHandle;

use super::checks::{self, Check};
use super::pool::{Balance, Ejection, Pool, Upstream};
use super::proxy::{ReverseProxy, Rules};
use super::target::Base;
use crate::client::{Client, ClientBuilder, ClientError};

/// Idle timeout of upgraded connections.
const TUNNEL_IDLE: Duration = Duration::from_secs(3_600);

/// Failures in a row until an upstream is ejected.
const FAILURES: u32 = 3;

/// How long an upstream is ejected.
const EJECTION: Duration = Duration::from_secs(10);

/// Most requests under way to one upstream.
const IN_FLIGHT: usize = 1024;

/// The upstreams and rules of a [`ReverseProxy`], from [`ReverseProxy::builder`].
///
/// # Examples
///
/// ```
/// use reactor::testing::TestReactor;
/// use reactor_web::Client;
/// use reactor_web::reverse::ReverseProxy;
/// use std::time::Duration;
///
/// let reactor = TestReactor::new();
/// let proxy = ReverseProxy::builder()
///     .upstream("http://10.0.0.1:8000/app")
///     .upstream("unix:/run/app.sock")
///     .eject_after(3, Duration::from_secs(10))
///     .client(Client::builder().head_timeout(Duration::from_secs(10)))
///     .build(&reactor)?;
/// assert!(proxy.upstreams()[1].is_available);
/// # Ok::<(), deferred::Failure>(())
/// ```
#[must_use = "it makes no proxy by itself"]
pub struct ReverseProxyBuilder {
    upstreams: Vec<String>,
    balance: Balance,
    ejection: Ejection,
    check: Option<Check>,
    rules: Rules,
    client: ClientBuilder,
}

impl ReverseProxy {
    /// A proxy with one upstream and the usual rules.
    ///
    /// # Errors
    ///
    /// As for [`ReverseProxyBuilder::build`].
    pub fn to(reactor: &ReactorHandle, url: impl Into<String>) -> Result<Self> {
        Self::builder().upstream(url).build(reactor)
    }

    /// A proxy with several upstreams, or other rules.
    pub fn builder() -> ReverseProxyBuilder {
        ReverseProxyBuilder::new()
    }
}

impl ReverseProxyBuilder {
    fn new() -> Self {
        Self {
            upstreams: Vec::new(),
            balance: Balance::default(),
            ejection: Ejection {
                failures: FAILURES,
                time: EJECTION,
            },
            check: None,
            rules: Rules {
                rewrites_host: false,
                appends_forwarded: false,
                tunnel_idle: TUNNEL_IDLE,
            },
            client: Client::builder().in_flight_per_origin(IN_FLIGHT),
        }
    }

    /// Adds an upstream: `http://host:port`, `https://host`, with or without a path below which
    /// requests are sent; or `unix:/path/of/a/socket`.
    pub fn upstream(mut self, url: impl Into<String>) -> Self {
        self.upstreams.push(url.into());
        self
    }

    /// Sets how upstreams are chosen: one after the other, unless said otherwise.
    pub fn balance(mut self, balance: Balance) -> Self {
        self.balance = balance;
        self
    }

    /// Sets after how many failures in a row an upstream is ejected, and for how long: 3 and 10
    /// seconds, unless said otherwise. After that time, a single request is sent to the upstream,
    /// as a probe: if it is answered, the upstream is back.
    ///
    /// A failure is a connection that cannot be made, or breaks before the end of an answer, or a
    /// timeout; an answer is not a failure, whatever its status. A single upstream is never
    /// ejected.
    #[doc(
        alias = "max_fails",
        alias = "fail_timeout",
        alias = "outlier_detection"
    )]
    pub fn eject_after(mut self, failures: u32, time: Duration) -> Self {
        self.ejection = Ejection {
            failures: failures.max(1),
            time,
        };
        self
    }

    /// Asks each upstream for `path` this often, from [`build`](Self::build) on. An upstream that
    /// does not answer with 2xx within the time `every` (or 10 seconds, if that is less) gets no
    /// requests until it does.
    pub fn health_check(mut self, path: impl Into<String>, every: Duration) -> Self {
        self.check = Some(Check {
            path: path.into(),
            // Not zero, or the checks would run without a pause.
            every: every.max(Duration::from_millis(1)),
        });
        self
    }

    /// Sends the host of the upstream as `Host`; otherwise, the upstream gets the client's `Host`,
    /// so that its redirects and cookies are right for the client.
    pub fn rewrite_host(mut self) -> Self {
        self.rules.rewrites_host = true;
        self
    }

    /// Keeps the `Forwarded` and `X-Forwarded-*` headers of requests, and adds to them: for use
    /// behind another proxy, which sets them. Otherwise, those of the client are removed, since a
    /// client may write anything there.
    pub fn append_forwarded(mut self) -> Self {
        self.rules.appends_forwarded = true;
        self
    }

    /// How long nothing may come on an upgraded connection, such as a WebSocket, before it is
    /// closed: one hour, unless said otherwise.
    pub fn tunnel_idle_timeout(mut self, timeout: Duration) -> Self {
        self.rules.tunnel_idle = timeout;
        self
    }

    /// Timeouts, limits and TLS of the connections to upstreams. Redirects, compression, cookies
    /// and default headers of this client are not used. [`ClientBuilder::in_flight_per_origin`] is
    /// 1024 without this.
    pub fn client(mut self, client: ClientBuilder) -> Self {
        self.client = client;
        self
    }

    /// Builds the proxy, which runs in `reactor`.
    ///
    /// # Errors
    ///
    /// [`ClientError::BadUrl`]: the text of an upstream is invalid, or there is no upstream. An
    /// [`HttpError`](crate::HttpError): the path of the check has `.` or `..` in it.
    pub fn build(self, reactor: &ReactorHandle) -> Result<ReverseProxy> {
        if self.upstreams.is_empty() {
            let (url, reason) = (String::new(), "there is no upstream".to_owned());
            return Err(ClientError::BadUrl { url, reason }.into());
        }
        let mut unix = Vec::new();
        let bases: Result<Vec<Base>> = self
            .upstreams
            .iter()
            .map(|url| Base::parse(url, &mut unix))
            .collect();
        let pool = Rc::new(Pool {
            upstreams: bases?.into_iter().map(Upstream::new).collect(),
            balance: self.balance,
            ejection: self.ejection,
            next: Cell::new(0),
        });
        // After the bases were parsed, which fills `unix`.
        let client = self.client.transparent(unix).build(reactor);
        let mut checks = Vec::new();
        if let Some(check) = self.check {
            for (index, upstream) in pool.upstreams.iter().enumerate() {
                // Joined here, so that an invalid path is an error of `build`.
                let url = upstream.base.join(&check.path, None)?;
                let watch =
                    checks::watch(client.clone(), Rc::clone(&pool), index, url, check.every);
                // A check ends only by its cancel.
                checks.push(reactor.spawn(watch).cancel_on_drop());
            }
        }
        Ok(ReverseProxy::new(client, pool, self.rules, checks))
    }
}

impl fmt::Debug for ReverseProxyBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReverseProxyBuilder")
            .field("upstreams", &self.upstreams)
            .field("balance", &self.balance)
            .finish_non_exhaustive()
    }
}
