//! `ClientResponse`: an answer whose head is there.

use std::fmt;

use bytes::{Bytes, BytesMut};
use deferred::{Deferred, Result, fail, inline_callbacks};
use encoding_rs::Encoding;
use http::header::AsHeaderName;
use http::{HeaderMap, StatusCode, Version, header, response};
use http_body::Body as _;
use url::Url;

use super::error::ClientError;
use super::origin::shown;
use super::upgrade::Upgraded;
use crate::body::Body;
use crate::io::Io;

/// Byte order mark, which may precede UTF-8 text.
const BYTE_ORDER_MARK: char = '\u{FEFF}';

/// An answer to a [`Client`](crate::Client): its head is there, its content is still to come.
///
/// If it is dropped before its content has come completely, its connection is closed.
///
/// # Examples
///
/// ```
/// # use reactor_web::{App, serve};
/// # use reactor::testing::TestReactor;
/// use reactor_web::Client;
///
/// # let reactor = TestReactor::new();
/// # reactor.result_of(serve(&reactor, "tcp:80:interface=127.0.0.1", App::new()))?;
/// let response = reactor.result_of(Client::new(&reactor).get("http://127.0.0.1/none"))?;
/// assert_eq!(response.status(), 404);
/// assert_eq!(response.header("content-type"), Some("text/html; charset=utf-8"));
/// let failure = response.error_for_status().unwrap_err();
/// assert_eq!(failure.message(), "http://127.0.0.1/none was answered with 404 Not Found");
/// # Ok::<(), deferred::Failure>(())
/// ```
// Boxed, since it is moved many times on its way from the connection to the caller.
pub struct ClientResponse(Box<Inner>);

struct Inner {
    head: response::Parts,
    body: Body,
    url: Url,
    limit: u64,
    upgraded: Option<Upgraded>,
}

impl ClientResponse {
    pub(super) fn new(
        head: response::Parts,
        body: Body,
        url: Url,
        limit: u64,
        upgraded: Option<Upgraded>,
    ) -> Self {
        Self(Box::new(Inner {
            head,
            body,
            url,
            limit,
            upgraded,
        }))
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.0.head.status
    }

    /// The version of HTTP.
    pub fn version(&self) -> Version {
        self.0.head.version
    }

    /// All headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.0.head.headers
    }

    /// The value of a header, if there is one and it is text.
    pub fn header(&self, name: impl AsHeaderName) -> Option<&str> {
        self.0.head.headers.get(name)?.to_str().ok()
    }

    /// The URL that has answered, without user and password: after redirects, the last one.
    pub fn url(&self) -> String {
        shown(&self.0.url).into()
    }

    /// The length of the content, if the server has told it.
    pub fn content_length(&self) -> Option<u64> {
        self.0.body.size_hint().exact()
    }

    /// The answer, unless its status is an error: 400 and above.
    ///
    /// # Errors
    ///
    /// [`ClientError::Status`].
    #[track_caller]
    pub fn error_for_status(self) -> Result<Self> {
        let status = self.status();
        if status.is_client_error() || status.is_server_error() {
            let url = self.url();
            return Err(ClientError::Status { status, url }.into());
        }
        Ok(self)
    }

    /// The whole content.
    ///
    /// # Errors
    ///
    /// The content does not come completely or in time; [`ClientError::BodyTooLarge`] if it is
    /// longer than [`ClientBuilder::body_limit`](super::ClientBuilder::body_limit).
    pub fn bytes(mut self) -> Deferred<Bytes> {
        inline_callbacks(async move { self.0.collect().await })
    }

    /// The whole content as text, in the encoding that its type names (`charset`), or else UTF-8.
    /// Invalid bytes become U+FFFD. A byte order mark at the beginning is left out.
    ///
    /// # Errors
    ///
    /// As for [`bytes`](Self::bytes).
    pub fn text(mut self) -> Deferred<String> {
        inline_callbacks(async move {
            let encoding = encoding_of(&self.0.head.headers);
            let bytes = self.0.collect().await?;
            if encoding == encoding_rs::UTF_8 {
                let mut text = match String::from_utf8(bytes.into()) {
                    Ok(text) => text,
                    // Only invalid text is copied.
                    Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
                };
                if text.starts_with(BYTE_ORDER_MARK) {
                    text.remove(0);
                }
                return Ok(text);
            }
            Ok(encoding.decode(&bytes).0.into_owned())
        })
    }

    /// The whole content as JSON, whatever its `Content-Type` is.
    ///
    /// # Errors
    ///
    /// As for [`bytes`](Self::bytes), and if the content is not JSON or does not match `T`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor_web::{App, Json, serve};
    /// # use reactor::testing::TestReactor;
    /// use reactor_web::Client;
    ///
    /// # let reactor = TestReactor::new();
    /// # let app = App::new().get("/primes", |_| Json([2, 3, 5]));
    /// # reactor.result_of(serve(&reactor, "tcp:80:interface=127.0.0.1", app))?;
    /// let primes = Client::new(&reactor)
    ///     .get("http://127.0.0.1/primes")
    ///     .add_callback(|response| response.json::<Vec<u32>>());
    /// assert_eq!(reactor.result_of(primes)?, [2, 3, 5]);
    /// # Ok::<(), deferred::Failure>(())
    /// ```
    #[cfg(feature = "json")]
    pub fn json<T: serde::de::DeserializeOwned + 'static>(mut self) -> Deferred<T> {
        inline_callbacks(async move {
            let bytes = self.0.collect().await?;
            Ok(serde_json::from_slice(&bytes)?)
        })
    }

    /// The content as a stream: at most a few pieces are read ahead. It has no limit.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor_web::{App, serve};
    /// # use reactor::testing::TestReactor;
    /// use reactor_web::Client;
    ///
    /// # let reactor = TestReactor::new();
    /// # let app = App::new().get("/", |_| "hello");
    /// # reactor.result_of(serve(&reactor, "tcp:80:interface=127.0.0.1", app))?;
    /// async fn length(client: Client, url: &'static str) -> deferred::Result<usize> {
    ///     let mut body = client.get(url).await?.into_body();
    ///     let mut length = 0;
    ///     while let Some(piece) = body.next().await {
    ///         length += piece?.len();
    ///     }
    ///     Ok(length)
    /// }
    ///
    /// let length = reactor.spawn(length(Client::new(&reactor), "http://127.0.0.1/"));
    /// assert_eq!(reactor.result_of(length)?, 5);
    /// # Ok::<(), deferred::Failure>(())
    /// ```
    #[doc(alias = "deliverBody")]
    pub fn into_body(self) -> Body {
        self.0.body
    }

    /// The connection, for the protocol that follows HTTP on it. The request must have had an
    /// `Upgrade` header, and the status must be 101. [`Io::switch_to`] gives it a protocol.
    ///
    /// # Errors
    ///
    /// [`ClientError::NotUpgraded`]: the status is another one.
    ///
    /// # Examples
    ///
    /// A server, written by hand, that accepts any upgrade; the client reads the first bytes that
    /// come after it:
    ///
    /// ```
    /// use http::Method;
    /// use reactor::testing::TestReactor;
    /// use reactor_web::Client;
    /// # use reactor::{Context, Protocol, Raw};
    /// # struct Upgrader;
    /// # impl Protocol for Upgrader {
    /// #     type Framing = Raw;
    /// #     fn received(&mut self, cx: &mut Context<'_, Self>, _: &[u8]) -> deferred::Result<()> {
    /// #         cx.write("HTTP/1.1 101 Yes\r\nupgrade: echo\r\nconnection: upgrade\r\n\r\nhi");
    /// #         Ok(())
    /// #     }
    /// # }
    ///
    /// # let reactor = TestReactor::new();
    /// # reactor.listen_tcp("127.0.0.1:80", || Upgrader)?;
    /// let upgraded = Client::new(&reactor)
    ///     .request(Method::GET, "http://127.0.0.1/")
    ///     .header("connection", "upgrade")
    ///     .header("upgrade", "echo")
    ///     .send()
    ///     .add_callback(|response| response.upgrade());
    /// let first = reactor.spawn(async move { Ok(upgraded.await?.peek().await?) });
    /// assert_eq!(reactor.result_of(first)?, b"hi");
    /// # Ok::<(), deferred::Failure>(())
    /// ```
    pub fn upgrade(self) -> Deferred<Io> {
        match self.0.upgraded {
            Some(upgraded) => upgraded.into_inner().map_ok(|(mut io, read)| {
                // hyper may have read the first bytes of the other protocol with the head.
                io.unread(&read);
                io
            }),
            None => fail(ClientError::NotUpgraded {
                status: self.0.head.status,
            }),
        }
    }

    /// The answer as a response of the crate `http`, which a handler of an [`App`](crate::App) may
    /// return.
    pub fn into_http(self) -> http::Response<Body> {
        let Inner { head, body, .. } = *self.0;
        http::Response::from_parts(head, body)
    }
}

/// The encoding that the headers name.
fn encoding_of(headers: &HeaderMap) -> &'static Encoding {
    let kind = headers.get(header::CONTENT_TYPE);
    let parameters = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let charset = parameters.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let is_it = name.trim().eq_ignore_ascii_case("charset");
        is_it.then(|| value.trim().trim_matches('"'))
    });
    charset
        // An unknown name is ignored.
        .and_then(|name| Encoding::for_label(name.as_bytes()))
        .unwrap_or(encoding_rs::UTF_8)
}

impl Inner {
    /// Collects the content, if it is not longer than the limit.
    async fn collect(&mut self) -> Result<Bytes> {
        let (body, limit) = (&mut self.body, self.limit);
        let check = |length: u64| match length > limit {
            true => Err(ClientError::BodyTooLarge { limit }),
            false => Ok(()),
        };
        // Checked by the length in the head, before anything is read.
        check(body.size_hint().lower())?;
        let Some(first) = body.next().await.transpose()? else {
            return Ok(Bytes::new());
        };
        // The length of a chunked or compressed body is not known before.
        check(first.len() as u64)?;
        if body.is_end_stream() {
            return Ok(first);
        }
        let mut all = BytesMut::from(first);
        while let Some(bytes) = body.next().await.transpose()? {
            check((all.len() + bytes.len()) as u64)?;
            all.extend_from_slice(&bytes);
        }
        Ok(all.freeze())
    }
}

impl fmt::Debug for ClientResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientResponse")
            .field("url", &self.url())
            .field("status", &self.0.head.status)
            .field("headers", &self.0.head.headers)
            .finish_non_exhaustive()
    }
}
