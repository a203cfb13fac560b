//! `ReverseProxy`: sends a request to an upstream, and passes its answer on.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use deferred::{CancelOnDrop, Cancelled, Failure, Result};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::error::{ReverseProxyError, ReverseProxyErrorKind};
use super::headers;
use super::pool::{Pool, Turn};
use super::relay::{Download, Source};
use super::tunnel;
use crate::body::Body;
use crate::client::{Client, ClientResponse};
use crate::error::HttpError;
use crate::handler::Handler;
use crate::request::Request;
use crate::response::{Answer, Response};

/// Rules for all requests.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    pub(super) rewrites_host: bool,
    pub(super) appends_forwarded: bool,
    pub(super) tunnel_idle: Duration,
}

/// A handler that forwards requests to other servers: see the [module](super). Clones share one
/// proxy.
///
/// # Examples
///
/// Two servers, which get requests in turn:
///
/// ```no_run
/// use reactor::Reactor;
/// use reactor_web::reverse::ReverseProxy;
/// use reactor_web::{App, serve};
/// use std::time::Duration;
///
/// let reactor = Reactor::new()?;
/// let proxy = ReverseProxy::builder()
///     .upstream("http://10.0.0.1:8000")
///     .upstream("http://10.0.0.2:8000")
///     .health_check("/health", Duration::from_secs(5))
///     .build(&reactor)?;
/// reactor.block_on(serve(&reactor, "tcp:8080", App::new().mount("/", proxy)))?;
/// reactor.run_until_signal()?;
/// # Ok::<(), deferred::Failure>(())
/// ```
#[doc(
    alias = "ReverseProxyResource",
    alias = "proxy_pass",
    alias = "upstream"
)]
#[derive(Clone)]
pub struct ReverseProxy(Rc<Shared>);

struct Shared {
    client: Client,
    pool: Rc<Pool>,
    rules: Rules,
    /// The health checks, which are cancelled with the proxy.
    // They hold the client and the pool, but not this, so there is no reference cycle.
    _checks: Vec<CancelOnDrop<()>>,
}

/// The state of an upstream of a [`ReverseProxy`].
///
/// # Examples
///
/// ```
/// use reactor::testing::TestReactor;
/// use reactor_web::reverse::ReverseProxy;
///
/// let proxy = ReverseProxy::to(&TestReactor::new(), "http://127.0.0.1:8000")?;
/// let state = &proxy.upstreams()[0];
/// assert_eq!((state.url.as_str(), state.in_flight), ("http://127.0.0.1:8000", 0));
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UpstreamState {
    /// The upstream, as it was given to [`ReverseProxyBuilder::upstream`](super::ReverseProxyBuilder::upstream).
    pub url: String,
    /// Requests and upgraded connections under way.
    pub in_flight: usize,
    /// Whether it gets requests now: it is not ejected, and passes its checks.
    pub is_available: bool,
}

impl ReverseProxy {
    pub(super) fn new(
        client: Client,
        pool: Rc<Pool>,
        rules: Rules,
        checks: Vec<CancelOnDrop<()>>,
    ) -> Self {
        Self(Rc::new(Shared {
            client,
            pool,
            rules,
            _checks: checks,
        }))
    }

    /// The states of the upstreams, in their order: for a status page, or metrics.
    pub fn upstreams(&self) -> Vec<UpstreamState> {
        let now = self.0.client.reactor().now();
        let upstreams = self.0.pool.upstreams.iter();
        upstreams
            .map(|upstream| UpstreamState {
                url: upstream.base.name.clone(),
                in_flight: upstream.in_flight.get(),
                is_available: upstream.is_available(now),
            })
            .collect()
    }
}

impl Handler for ReverseProxy {
    fn handle(&self, request: Request) -> Answer {
        // `CONNECT` asks for a tunnel to any server, which a reverse proxy does not open.
        if *request.method() == Method::CONNECT {
            return Answer::now(HttpError::new(StatusCode::METHOD_NOT_ALLOWED));
        }
        let shared = Rc::clone(&self.0);
        Answer::from_future(async move { shared.forward(request).await })
    }
}

impl Shared {
    async fn forward(&self, request: Request) -> Result<Response> {
        let mut headers = headers::for_upstream(&request, self.rules.appends_forwarded);
        let upgrade = upgrade_of(&request);
        if let Some(protocol) = &upgrade {
            // `for_upstream` has removed the headers of the upgrade, which belong to the client's
            // connection. They are set again for the upstream's.
            switch(&mut headers, protocol);
        }
        let body = Source::new(request.take_body());
        if body.is_chunked() {
            // Without this header, hyper would not send a stream as the body of a GET.
            headers.insert(
                header::TRANSFER_ENCODING,
                HeaderValue::from_static("chunked"),
            );
        }
        let mut tried = Vec::new();
        let mut last = None;
        while let Some(mut turn) = self.pool.pick(self.client.reactor().now(), &tried) {
            // Added before the request, so that each upstream gets one turn, and the loop ends.
            tried.push(turn.index);
            // The headers are cloned, since another upstream may need them.
            let failure = match self.ask(&request, &turn, headers.clone(), &body).await? {
                Ok(answer) => {
                    turn.succeeded();
                    return self.answer(&request, answer, turn, upgrade.is_some());
                }
                Err(failure) => failure,
            };
            if failure.is::<Cancelled>() {
                // The client is gone, which says nothing of the upstream.
                return Err(failure);
            }
            // Checked before a failure of the upstream is counted.
            if let Some(failure) = body.take_failure() {
                // The client has not sent its body completely: not the upstream's fault.
                return Err(failure);
            }
            // Counted only here: the causes above are the client's.
            turn.failed(self.client.reactor().now());
            let error = ReverseProxyError::of(&failure, &turn.upstream().base.name);
            // Logged with its sources, since the last of them is the reason, such as a certificate.
            tracing::warn!(target: "reactor_web", error = %failure, "{error}");
            let may_repeat = error.kind().is_unsent()
                || (error.kind() == ReverseProxyErrorKind::Broken
                    && request.method().is_idempotent());
            // What was read of the body is not kept, so it cannot be sent again.
            if !may_repeat || !body.is_whole() {
                return Err(error.into());
            }
            last = Some(error);
        }
        Err(last.unwrap_or_else(ReverseProxyError::no_upstream).into())
    }

    /// Sends the request to an upstream. The outer failure is the client's fault, the inner one the
    /// upstream's.
    async fn ask(
        &self,
        request: &Request,
        turn: &Turn,
        mut headers: HeaderMap,
        body: &Source,
    ) -> Result<Result<ClientResponse, Failure>> {
        let base = &turn.upstream().base;
        let url = base.join(request.rest(), request.uri().query())?;
        if self.rules.rewrites_host {
            headers.insert(header::HOST, base.host.clone());
        }
        let sending = self
            .client
            .request(request.method().clone(), url)
            .headers(headers)
            .body(body.body())
            .send();
        Ok(sending.cancel_on_drop().await)
    }

    /// The answer of an upstream, for the client.
    fn answer(
        &self,
        request: &Request,
        answer: ClientResponse,
        mut turn: Turn,
        is_upgrade: bool,
    ) -> Result<Response> {
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            let protocol = answer.headers().get(header::UPGRADE).cloned();
            // An upstream that switches without being asked would leave the client with bytes that
            // it takes for HTTP.
            let (true, Some(protocol)) = (is_upgrade, protocol) else {
                turn.failed(self.client.reactor().now());
                return Err(ReverseProxyError::broken(&turn.upstream().base.name).into());
            };
            let mut response = Response::new(Body::empty());
            *response.status_mut() = answer.status();
            *response.headers_mut() = answer.headers().clone();
            // Removes the headers of the upstream's connection; `switch` adds those of the
            // client's.
            headers::strip(response.headers_mut());
            switch(response.headers_mut(), &protocol);
            let idle = self.rules.tunnel_idle;
            // `request.upgrade` is called before the answer is sent, which grants it.
            let tunnel = tunnel::run(request.upgrade(), answer.upgrade(), idle, turn);
            // The tunnel errs if a connection breaks. The other side sees that by the end of its
            // own connection.
            self.client.reactor().spawn(tunnel).ignore();
            return Ok(response);
        }
        let (mut head, body) = answer.into_http().into_parts();
        headers::strip(&mut head.headers);
        // The version for the connection to the client.
        head.version = http::Version::HTTP_11;
        let reactor = self.client.reactor().clone();
        let body = Body::boxed(Download {
            body,
            turn,
            reactor,
        });
        Ok(Response::from_parts(head, body))
    }
}

/// The protocol that the request asks for in place of HTTP. `None` for `h2c`, because the proxy
/// could not see the requests in an HTTP/2 connection.
fn upgrade_of(request: &Request) -> Option<HeaderValue> {
    let protocol = request.headers().get(header::UPGRADE)?;
    // A value that is not text is refused, too.
    let is_http2 = protocol
        .to_str()
        .map_or(true, |text| text.to_ascii_lowercase().contains("h2c"));
    (request.asks_for_upgrade() && !is_http2).then(|| protocol.clone())
}

fn switch(headers: &mut HeaderMap, protocol: &HeaderValue) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, protocol.clone());
}

impl fmt::Debug for ReverseProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReverseProxy")
            .field("upstreams", &self.upstreams())
            .finish_non_exhaustive()
    }
}
