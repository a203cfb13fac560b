//! What becomes of a request: its headers, its connection, its answer.

use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use deferred::Result;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use percent_encoding::percent_decode_str;
use url::Url;

use super::error::ClientError;
use super::exchange::{self, Answered, Outgoing, Target};
use super::inner::Inner;
use super::origin::{Destination, Origin, shown};
use super::received::Received;
use super::response::ClientResponse;
use super::watch::{Stopwatch, Timeouts, Watch};
use crate::body::Body;

/// A request that is complete.
pub(super) struct Prepared {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
    pub(super) timeouts: Timeouts,
}

impl Prepared {
    pub(super) fn set_body(&mut self, kind: &'static str, body: impl Into<Body>) {
        self.body = body.into();
        self.headers
            .entry(header::CONTENT_TYPE)
            .or_insert(HeaderValue::from_static(kind));
    }
}

/// Sends a request, and waits for the head of its answer.
pub(super) async fn perform(client: Rc<Inner>, prepared: Prepared) -> Result<ClientResponse> {
    let asked = (prepared.method.clone(), prepared.url.clone());
    let mut watch = Watch::new(client.pool.reactor(), prepared.timeouts);
    let clock = Rc::clone(watch.clock());
    let answered = watch.over(answer(&client, prepared, &clock)).await;
    let (answered, url) = answered.map_err(|failure| {
        let (method, url) = asked;
        failure.context(format!("{method} {}", shown(&url)))
    })?;
    let (head, incoming) = answered.response.into_parts();
    let body = match answered.lease {
        Some(lease) => Body::boxed(Received::new(incoming, lease, watch)),
        None => Body::empty(),
    };
    let limit = client.config.body_limit;
    Ok(ClientResponse::new(
        head,
        body,
        url,
        limit,
        answered.upgraded,
    ))
}

async fn answer(
    client: &Inner,
    prepared: Prepared,
    clock: &Rc<Stopwatch>,
) -> Result<(Answered, Url)> {
    let Prepared {
        method,
        url,
        mut headers,
        body,
        ..
    } = prepared;
    let origin = Origin::of(&url)?;
    authorize(&url, &mut headers);
    for (name, value) in &client.config.headers {
        if !headers.contains_key(name) {
            headers.insert(name.clone(), value.clone());
        }
    }
    let target = target(&url, &origin)?;
    let outgoing = Outgoing {
        method,
        target,
        headers,
        body,
    };
    let destination = Destination {
        // An upgrade is one of HTTP/1.1.
        may_be_http2: client.config.may_be_http2(&origin) && !outgoing.is_upgrade(),
        origin,
    };
    let answered = exchange::send(client, &destination, outgoing, clock).await?;
    Ok((answered, url))
}

/// The target of a request for `url`, in both forms.
fn target(url: &Url, origin: &Origin) -> Result<Target> {
    let authority = origin.authority();
    let after_host = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let bad = |error: http::Error| ClientError::BadUrl {
        url: shown(url).into(),
        reason: error.to_string(),
    };
    let host = HeaderValue::try_from(&authority).map_err(|error| bad(error.into()))?;
    let path: PathAndQuery = after_host
        .parse()
        .map_err(|error: http::uri::InvalidUri| bad(error.into()))?;
    let absolute = Uri::builder()
        .scheme(url.scheme())
        .authority(authority)
        .path_and_query(path.clone())
        .build()
        .map_err(bad)?;
    Ok(Target {
        absolute,
        origin: path.into(),
        is_for_proxy: false,
        host,
    })
}

/// Sends user and password of a URL, unless the request says who it is from.
fn authorize(url: &Url, headers: &mut HeaderMap) {
    if (!url.username().is_empty() || url.password().is_some())
        && !headers.contains_key(header::AUTHORIZATION)
    {
        let decoded = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let password = url.password().unwrap_or_default();
        let value = basic(&decoded(url.username()), &decoded(password));
        headers.insert(header::AUTHORIZATION, value);
    }
}

/// The value of a header with user and password.
pub(super) fn basic(user: &str, password: &str) -> HeaderValue {
    let encoded = STANDARD.encode(format!("{user}:{password}"));
    // Base64 has no character that a header may not have.
    let mut value = HeaderValue::try_from(format!("Basic {encoded}"))
        .unwrap_or(HeaderValue::from_static("Basic"));
    value.set_sensitive(true);
    value
}
