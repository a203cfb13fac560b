//! `ClientRequest`: a request before it is sent.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use deferred::{Deferred, Failure, Result, fail};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde::Serialize;

use super::error::ClientError;
use super::inner::Inner;
use super::perform;
use super::prepared::{self, Headers, Prepared};
use super::response::ClientResponse;
use crate::body::Body;

/// A request before it is sent, from [`Client::request`](crate::Client::request). If something is
/// wrong with it, such as a header with a line break, [`send`](Self::send) fails.
///
/// # Examples
///
/// ```
/// # use reactor_web::{App, serve};
/// # use reactor::testing::TestReactor;
/// use http::Method;
/// use reactor_web::Client;
/// use reactor_web::client::ClientResponse;
/// use std::time::Duration;
///
/// # let reactor = TestReactor::new();
/// # let app = App::new().put("/notes/{title}", |req| {
/// #     format!("{} {}", req.uri(), req.header("x-why").unwrap_or_default())
/// # });
/// # reactor.result_of(serve(&reactor, "tcp:80:interface=127.0.0.1", app))?;
/// let client = Client::new(&reactor);
/// let answer = client
///     .request(Method::PUT, "http://127.0.0.1/notes/milk")
///     .query(&[("from", "the shop")])
///     .header("x-why", "breakfast")
///     .form(&[("text", "two bottles")])
///     .timeout(Duration::from_secs(10))
///     .send()
///     .add_callback(ClientResponse::text);
/// assert_eq!(reactor.result_of(answer)?, "/notes/milk?from=the+shop breakfast");
/// # Ok::<(), deferred::Failure>(())
/// ```
#[must_use = "it is not sent by itself"]
pub struct ClientRequest {
    client: Rc<Inner>,
    // Boxed, since each method moves the request.
    prepared: Result<Box<Prepared>>,
}

impl ClientRequest {
    pub(super) fn new(client: &Rc<Inner>, method: Method, url: &str) -> Self {
        let parsed = client.urls.parse(url).map_err(|error| ClientError::BadUrl {
            url: url.to_owned(),
            reason: error.to_string(),
        });
        let prepared = parsed.map_err(Failure::from).map(|url| {
            Box::new(Prepared {
                method,
                url,
                headers: Headers::Own(HeaderMap::new()),
                body: Body::empty(),
                timeouts: client.config.timeouts,
            })
        });
        Self {
            client: Rc::clone(client),
            prepared,
        }
    }

    /// Changes the request, unless something was wrong with it before.
    fn with(mut self, change: impl FnOnce(&mut Prepared) -> Result<()>) -> Self {
        if let Ok(prepared) = &mut self.prepared
            && let Err(failure) = change(prepared)
        {
            self.prepared = Err(failure);
        }
        self
    }

    /// Sets a header, in place of one of this name.
    pub fn header<N, V>(self, name: N, value: V) -> Self
    where
        N: TryInto<HeaderName, Error: Into<http::Error>>,
        V: TryInto<HeaderValue, Error: Into<http::Error>>,
    {
        self.with(|prepared| {
            let name = name.try_into().map_err(Into::into)?;
            let value = value.try_into().map_err(Into::into)?;
            prepared.headers.to_mut().insert(name, value);
            Ok(())
        })
    }

    /// Sets these headers, in place of those of the same names.
    pub fn headers(self, headers: HeaderMap) -> Self {
        self.with(|prepared| {
            let all = prepared.headers.to_mut();
            // The usual case, as for `Client::send`: nothing is copied.
            if all.is_empty() {
                *all = headers;
                return Ok(());
            }
            for name in headers.keys() {
                all.remove(name);
            }
            // `HeaderMap` gives the name with the first of its values only.
            let mut current = None;
            for (name, value) in headers {
                current = name.or(current);
                if let Some(name) = &current {
                    all.append(name, value);
                }
            }
            Ok(())
        })
    }

    /// Adds parameters to the query: pairs, or a type with a field for each value.
    pub fn query(self, query: &(impl Serialize + ?Sized)) -> Self {
        self.with(|prepared| {
            let added = serde_urlencoded::to_string(query)?;
            let whole = match prepared.url.query() {
                Some(before) if !before.is_empty() => format!("{before}&{added}"),
                _ => added,
            };
            prepared.url.set_query(Some(&whole));
            Ok(())
        })
    }

    /// Sends user and password with the request (`Authorization: Basic`). A URL with both in it
    /// does the same.
    pub fn basic_auth(self, user: impl fmt::Display, password: impl fmt::Display) -> Self {
        self.with(|prepared| {
            let value = prepared::basic(&user.to_string(), &password.to_string());
            prepared
                .headers
                .to_mut()
                .insert(header::AUTHORIZATION, value);
            Ok(())
        })
    }

    /// Sends a token with the request (`Authorization: Bearer`).
    pub fn bearer_auth(self, token: impl fmt::Display) -> Self {
        self.with(|prepared| {
            let mut value = HeaderValue::try_from(format!("Bearer {token}"))?;
            // As for the password: see `prepared::basic`.
            value.set_sensitive(true);
            prepared
                .headers
                .to_mut()
                .insert(header::AUTHORIZATION, value);
            Ok(())
        })
    }

    /// Sets the content: text, bytes, or a stream of them, such as [`Body::channel`], which is read
    /// as fast as the server takes it.
    pub fn body(self, body: impl Into<Body>) -> Self {
        self.with(|prepared| {
            prepared.body = body.into();
            Ok(())
        })
    }

    /// Sends a form as the content: pairs, or a type with a field for each value.
    pub fn form(self, form: &(impl Serialize + ?Sized)) -> Self {
        self.with(|prepared| {
            let form = serde_urlencoded::to_string(form)?;
            prepared.set_body("application/x-www-form-urlencoded", form);
            Ok(())
        })
    }

    /// Sends `value` as JSON.
    #[cfg(feature = "json")]
    pub fn json(self, value: &(impl Serialize + ?Sized)) -> Self {
        self.with(|prepared| {
            let json = serde_json::to_vec(value)?;
            prepared.set_body("application/json", json);
            Ok(())
        })
    }

    /// The most time that the whole request may take, to the last byte of the answer, in place of
    /// [`ClientBuilder::timeout`](super::ClientBuilder::timeout).
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with(|prepared| {
            prepared.timeouts.whole = Some(timeout);
            Ok(())
        })
    }

    /// Sends the request. The Deferred fires when the head of the answer is there; its cancel ends
    /// the connection, or the stream.
    ///
    /// # Errors
    ///
    /// Something is wrong with the request, or there is no answer: see [`ClientError`].
    #[track_caller]
    pub fn send(self) -> Deferred<ClientResponse> {
        match self.prepared {
            Ok(prepared) => {
                let reactor = self.client.pool.reactor().clone();
                reactor.spawn(perform::perform(self.client, prepared))
            }
            // A request that is wrong fails here and not where it was built, so that the calls can
            // be chained.
            Err(failure) => fail(failure),
        }
    }
}

impl fmt::Debug for ClientRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("ClientRequest");
        match &self.prepared {
            Ok(prepared) => debug
                .field("method", &prepared.method)
                .field("url", &super::origin::shown(&prepared.url).as_str()),
            Err(failure) => debug.field("failure", failure),
        };
        debug.finish_non_exhaustive()
    }
}
