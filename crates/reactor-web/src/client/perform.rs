//! Performs a request: adds headers, chooses the destination, follows redirects.

use std::pin::pin;
use std::rc::Rc;

use deferred::Result;
use http::{header, response};
use percent_encoding::percent_decode_str;
use url::Url;

use super::error::ClientError;
use super::exchange::{self, Answered, Outgoing};
use super::inner::Inner;
use super::origin::{Destination, shown};
use super::prepared::{self, Headers, Prepared};
use super::received::Received;
use super::redirect;
use super::response::ClientResponse;
use super::watch::{Stopwatch, Watch};
use crate::body::Body;

/// Sends a request, and waits for the head of its answer.
pub(super) async fn perform(
    client: Rc<Inner>,
    mut prepared: Box<Prepared>,
) -> Result<ClientResponse> {
    let mut watch = Watch::new(client.pool.reactor(), prepared.timeouts);
    let clock = Rc::clone(watch.clock());
    // If a step takes too long, `answer` is dropped at the end of this statement, and its lease
    // ends the connection.
    let answered = watch
        .over(pin!(answer(&client, &mut prepared, &clock)))
        .await;
    let (answered, decodes) = answered.map_err(|failure| {
        let (method, url) = (&prepared.method, shown(&prepared.url));
        failure.context(format!("{method} {url}"))
    })?;
    let (head, incoming) = answered.response.into_parts();
    let body = match answered.lease {
        Some(lease) => Body::boxed(Received::new(incoming, lease, watch)),
        // The connection speaks another protocol, which has no timeouts of HTTP: `watch` ends here.
        None => Body::empty(),
    };
    let (head, body) = decoded(head, body, decodes);
    let (limit, url) = (client.config.body_limit, prepared.url);
    Ok(ClientResponse::new(
        head,
        body,
        url,
        limit,
        answered.upgraded,
    ))
}

/// Sends a request, and follows its redirects; afterwards, `prepared` is the last request.
/// Returns the answer, and whether its content is to be decompressed.
async fn answer(
    client: &Inner,
    prepared: &mut Prepared,
    clock: &Rc<Stopwatch>,
) -> Result<(Answered, bool)> {
    // Once, before the first request: a default header that a redirect to another origin removes
    // must not come back.
    let decodes = complete(client, &mut prepared.headers);
    let limit = client.config.redirects;
    let mut left = limit;
    loop {
        // In the loop, because a redirect may lead to a URL with a user.
        authorize(&prepared.url, &mut prepared.headers);
        // `follow` sets the body of the next request.
        let body = std::mem::take(&mut prepared.body);
        let again = if limit > 0 { body.try_clone() } else { None };
        let answered = ask(client, prepared, body, clock).await?;
        let (status, headers) = (answered.response.status(), answered.response.headers());
        #[cfg(feature = "cookies")]
        if let Some(jar) = &client.config.cookies {
            // Before a redirect is followed, since logins set their cookie in one.
            jar.take(headers, &prepared.url);
        }
        let next = match limit {
            0 => None,
            _ => redirect::location(status, headers, &prepared.url)?,
        };
        let Some(next) = next else {
            return Ok((answered, decodes));
        };
        if left == 0 {
            return Err(ClientError::TooManyRedirects { limit }.into());
        }
        left -= 1;
        // Before the content is read: a redirect that cannot be followed fails at once, and its
        // connection ends.
        redirect::follow(status, prepared, again, next)?;
        // The rest of the answer is read, so that the connection can be kept. Boxed, since it would
        // make the future of every request larger, and few requests are redirected.
        Box::pin(answered.discard(clock)).await;
    }
}

#[cfg(feature = "compression")]
fn decoded(mut head: response::Parts, body: Body, decodes: bool) -> (response::Parts, Body) {
    if !decodes {
        return (head, body);
    }
    let body = super::decoded::decode(&mut head.headers, body);
    (head, body)
}

#[cfg(not(feature = "compression"))]
fn decoded(head: response::Parts, body: Body, _: bool) -> (response::Parts, Body) {
    (head, body)
}

/// Completes the headers of a request with those of the client. Returns whether the content is to
/// be decompressed.
fn complete(client: &Inner, headers: &mut Headers) -> bool {
    if headers.is_empty() {
        *headers = Headers::Shared(Rc::clone(&client.headers));
        return client.decodes;
    }
    client.config.complete(headers.to_mut())
}

/// Sends one request.
async fn ask(
    client: &Inner,
    prepared: &Prepared,
    body: Body,
    clock: &Rc<Stopwatch>,
) -> Result<Answered> {
    let server = client.server(&prepared.url)?;
    // Checked before anything is connected.
    #[cfg(not(feature = "tls"))]
    if server.origin.is_secure {
        return Err(ClientError::NoTls.into());
    }
    let mut outgoing = Outgoing {
        prepared,
        server: &server,
        is_for_proxy: false,
        further: Vec::new(),
    };
    #[cfg(feature = "cookies")]
    if let Some(jar) = &client.config.cookies
        // Not into `prepared`: each request after a redirect gets the cookies of its own URL.
        && let Some(value) = jar.cookie(&prepared.headers, &prepared.url)
    {
        outgoing.further.push((header::COOKIE, value));
    }
    let destination = destination(client, &mut outgoing)?;
    exchange::send(client, &destination, &outgoing, body, clock).await
}

/// The destination for a request: the server, or a proxy.
fn destination(client: &Inner, outgoing: &mut Outgoing<'_>) -> Result<Destination> {
    let origin = &outgoing.server.origin;
    let direct = Destination {
        origin: origin.clone(),
        #[cfg(feature = "proxy")]
        tunnel: None,
        // Only HTTP/1.1 has upgrades.
        may_be_http2: client.config.may_be_http2(origin) && !outgoing.is_upgrade(),
    };
    #[cfg(feature = "proxy")]
    if let Some(rule) = &client.config.proxy
        && let Some(via) = rule.via(&outgoing.server.absolute(outgoing.path()?)?)?
    {
        return Ok(behind(direct, via, outgoing));
    }
    Ok(direct)
}

/// The same destination behind a proxy: for `https`, a tunnel through it; for `http`, the proxy
/// itself, which gets the whole URL.
#[cfg(feature = "proxy")]
fn behind(
    direct: Destination,
    via: super::origin::Via,
    outgoing: &mut Outgoing<'_>,
) -> Destination {
    if direct.origin.is_secure {
        return Destination {
            tunnel: Some(via),
            ..direct
        };
    }
    // The proxy gets whole URLs, so its connections are shared by all servers. They are HTTP/1.1:
    // `http2_prior_knowledge` is about the servers, not about the proxy.
    outgoing.is_for_proxy = true;
    if let Some(value) = via.authorization {
        let name = header::PROXY_AUTHORIZATION;
        outgoing.further.push((name, value));
    }
    Destination {
        origin: via.origin,
        tunnel: None,
        may_be_http2: false,
    }
}

/// Sends user and password of a URL, unless the request has `Authorization`.
fn authorize(url: &Url, headers: &mut Headers) {
    if (!url.username().is_empty() || url.password().is_some())
        && !headers.contains_key(header::AUTHORIZATION)
    {
        // A colon or an `@` in them is percent-encoded in a URL.
        let decoded = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let password = url.password().unwrap_or_default();
        let value = prepared::basic(&decoded(url.username()), &decoded(password));
        headers.to_mut().insert(header::AUTHORIZATION, value);
    }
}
