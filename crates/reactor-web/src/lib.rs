//! A web server and client on the loop of [`reactor`], with Deferreds: what `twisted.web` is for
//! Python.
//!
//! What you get:
//!
//! - **Handlers without `Send`**: everything runs in one thread, in an order that you can know, so a
//!   handler may hold an `Rc`, and needs no lock.
//! - **Handlers that answer now or later**: a value, a `Result`, a Deferred or a future. If the
//!   client goes, what the handler waits for is cancelled.
//! - **[`hyper`] below**, which parses and writes HTTP. Routes, answers, limits and streams
//!   are ours.
//! - **Limits by default** on how much a client sends, and how slowly: see [`Limits`].
//! - **Tests without sockets and without waiting**: see [`testing`].
//!
//! ```no_run
//! use reactor_web::{App, run};
//!
//! fn main() -> deferred::Result<()> {
//!     let app = App::new()
//!         .get("/", |_| "hello\n")
//!         .get("/hello/{name}", |req| Ok(format!("hello, {}\n", req.param("name")?)));
//!     run("tcp:8080", app)
//! }
//! ```
//!
//! # Three ways in
//!
//! | you want | use |
//! |---|---|
//! | a web server | [`run`], in a reactor of its own |
//! | a web server in your reactor | [`serve`]; or [`App::into_site`], which is a [`Factory`](reactor::Factory) for anything that listens |
//! | hyper's own API, or another framework's | [`IoProtocol`], with [`LoopTimer`] and [`LoopExecutor`] |
//!
//! # Where to look
//!
//! | to | look at |
//! |---|---|
//! | find a handler for a path | [`App`]: parameters, methods, nesting, hosts |
//! | read a request | [`Request`]: parameters, query, cookies, JSON, forms, files |
//! | answer | [`Reply`], and [`IntoResponse`] for values |
//! | stream an answer | [`Body::channel`] |
//! | send events as they happen | [`EventFeed`] to all browsers, [`Events`] to one |
//! | answer with files | `Files`, or `Request::send_file` in a handler |
//! | answer with an error | [`HttpError`]; [`App::error_page`] for how it looks |
//! | log, limit, time out, authenticate | [`middleware`] |
//! | remember a browser, log users in | `sessions`, with the feature of that name |
//! | run code around all handlers, or some | [`App::wrap`], [`App::group`], [`Middleware`] |
//! | know that the client is gone | [`Request::notify_finish`] |
//! | ask other servers | [`Client`] |
//! | forward requests to other servers | `reverse::ReverseProxy`, with the feature `reverse-proxy` |
//! | speak another protocol after a request | [`Request::upgrade`]; `ws` for WebSocket |
//! | stop without losing an answer | [`Site::finish`], which the stop of a reactor calls automatically |
//!
//! # Handlers
//!
//! A handler is a closure of a [`Request`]. A failure that it returns is answered with 500 and
//! goes to the log; an [`HttpError`] has its own status:
//!
//! ```
//! use deferred::{Failure, sleep};
//! use reactor_web::testing::TestClient;
//! use reactor_web::{App, HttpError, Request};
//! use std::{cell::RefCell, collections::HashMap, rc::Rc, time::Duration};
//!
//! type Stock = Rc<RefCell<HashMap<String, u32>>>;
//!
//! fn order(stock: &Stock, req: &Request) -> Result<String, Failure> {
//!     let item = req.param("item")?;
//!     let mut stock = stock.borrow_mut();
//!     match stock.get_mut(item) {
//!         None => Err(HttpError::not_found().into()),
//!         Some(0) => Err(HttpError::new(http::StatusCode::CONFLICT).with_message("sold out").into()),
//!         Some(left) => {
//!             *left -= 1;
//!             Ok(format!("one {item}, {left} left"))
//!         }
//!     }
//! }
//!
//! let stock = Stock::default();
//! stock.borrow_mut().insert("lamp".to_owned(), 1);
//! let app = App::new()
//!     .post("/order/{item}", move |req| order(&stock, &req))
//!     .get("/slow", async |req: Request| {
//!         sleep(req.reactor(), Duration::from_secs(1)).await?;
//!         Ok("done")
//!     });
//!
//! let client = TestClient::new(app)?;
//! assert_eq!(client.post("/order/lamp", "").text(), "one lamp, 0 left");
//! assert_eq!(client.post("/order/lamp", "").status(), 409);
//! assert_eq!(client.post("/order/sofa", "").status(), 404);
//! let slow = client.start_get("/slow");
//! client.advance(Duration::from_secs(1));
//! assert_eq!(slow.answer().text(), "done");
//! # Ok::<(), Failure>(())
//! ```
//!
//! In `App`'s methods, the type of a closure's argument is inferred; that of an `async` closure has
//! to be written, as here.
//!
//! # axum in the loop
//!
//! A `Router` of axum is served by `service_fn` on an [`Io`]: see the example `web_axum`. There is no
//! Tokio runtime, and axum asks for futures that are `Send`, so:
//!
//! | part of axum and tower-http | in the loop |
//! |---|---|
//! | routes, extractors, `Json`, `Form`, state, limits | work |
//! | tracing, compression | work |
//! | a handler that awaits a Deferred | works in a `SendWrapper` |
//! | `ServeDir`, `TimeoutLayer`, `tokio::spawn` | panic: they need a Tokio runtime |
//! | `axum::serve`, its WebSockets | not usable: they own a Tokio socket |
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `tls`, on by default | [`Request::is_secure`] is true for connections of `reactor-tls`; on one of its endpoints, a [`Site`] serves HTTPS |
//! | `client`, on by default | [`Client`] |
//! | `compression` | answers compressed by Brotli, zstd or gzip, requests decompressed: `Compression`, `Decompression`; and a `Client` that asks for compressed content |
//! | `files`, on by default | a folder of files, and a file as an answer: `Files`, `Request::send_file` |
//! | `cookies` | cookies of the [`Client`] |
//! | `proxy` | proxies of the [`Client`] |
//! | `reverse-proxy` | a handler that forwards requests to other servers: `reverse` |
//! | `http2` | HTTP/2 on the same port as HTTP/1.1, by ALPN (`alpn(["h2", "http/1.1"])` of `reactor-tls`) or prior knowledge |
//! | `json` | JSON in requests and answers, and in the access log |
//! | `sessions` | `sessions`, `Csrf`, signed and encrypted cookies; turns on `json` |
//! | `auth` | [`middleware`] that asks for a name and a password: `BasicAuth`, `DigestAuth` |
//! | `ws` | WebSocket, server and client: see `ws` |
#![doc(test(attr(deny(warnings), allow(dead_code))))]

mod app;
mod body;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "compression")]
mod coding;
#[cfg(feature = "compression")]
mod compression;
mod error;
mod events;
#[cfg(feature = "files")]
mod files;
mod handler;
mod html;
mod io;
pub mod middleware;
#[cfg(any(feature = "compression", feature = "files"))]
mod negotiation;
mod random;
mod request;
mod resource;
mod response;
#[cfg(feature = "reverse-proxy")]
pub mod reverse;
mod rt;
mod serve;
#[cfg(feature = "sessions")]
pub mod sessions;
mod site;
pub mod testing;
#[cfg(feature = "ws")]
pub mod ws;

pub use self::app::{App, Limits, Middleware, Next, RouteError};
pub use self::body::{Body, BodyWriter};
#[cfg(feature = "client")]
pub use self::client::Client;
#[cfg(feature = "compression")]
pub use self::compression::{Compression, Decompression};
pub use self::error::{ClientGone, HttpError};
pub use self::events::{Event, EventFeed, EventSender, Events};
#[cfg(feature = "files")]
pub use self::files::Files;
#[doc(hidden)]
pub use self::handler::ByClosure;
pub use self::handler::Handler;
pub use self::html::escape_html;
pub use self::io::{Io, IoProtocol};
pub use self::request::{Observed, Request, UpgradeRefused, multipart_error};
pub use self::resource::{Branch, Child, Leaf, Resource, ResourceTree};
#[cfg(feature = "json")]
pub use self::response::Json;
pub use self::response::{Answer, Html, IntoResponse, Redirect, Reply, Response};
#[doc(hidden)]
pub use self::response::{ByAnswer, ByFallibleAnswer, ByFallibleFuture, ByFuture, ByValue};
pub use self::rt::{LoopExecutor, LoopTimer};
pub use self::serve::{run, serve};
pub use self::site::Site;
pub use {bytes, cookie, deferred, http, hyper, multer, reactor};

/// The chapter of the guide, whose programs are doctests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/24-web.md")]
struct Guide;

/// The chapter on the client.
#[cfg(all(doctest, feature = "client"))]
#[doc = include_str!("../../../docs/guide/30-http-client.md")]
struct ClientGuide;

/// The chapter on files and events.
#[cfg(all(doctest, feature = "compression", feature = "files"))]
#[doc = include_str!("../../../docs/guide/28-files-and-events.md")]
struct FilesAndEvents;

/// The chapter on the reverse proxy.
#[cfg(all(doctest, feature = "reverse-proxy"))]
#[doc = include_str!("../../../docs/guide/31-reverse-proxy.md")]
struct ReverseProxyGuide;

/// The chapter on deploying.
#[cfg(all(doctest, feature = "files"))]
#[doc = include_str!("../../../docs/guide/32-deploy.md")]
struct DeployGuide;

/// The page in Chinese, whose programs are tests.
#[cfg(all(
    doctest,
    feature = "client",
    feature = "files",
    feature = "reverse-proxy",
    feature = "sessions",
    feature = "ws"
))]
#[doc = include_str!("../../../docs/zh/web.md")]
struct ChineseGuide;

/// The recipes.
#[cfg(all(
    doctest,
    feature = "reverse-proxy",
    feature = "auth",
    feature = "compression",
    feature = "files",
    feature = "sessions"
))]
#[doc = include_str!("../../../docs/recipes-web.md")]
struct Recipes;

/// The chapters of the guide on a site that grows, whose programs are tests.
#[cfg(all(doctest, feature = "auth", feature = "sessions"))]
mod pages {
    #[doc = include_str!("../../../docs/guide/25-a-site.md")]
    struct Site;

    #[doc = include_str!("../../../docs/guide/26-middleware.md")]
    struct Middleware;

    #[doc = include_str!("../../../docs/guide/27-sessions.md")]
    struct Sessions;

    #[doc = include_str!("../../../docs/coming-from-axum.md")]
    struct ComingFromAxum;
}

#[cfg(all(doctest, feature = "ws"))]
#[doc = include_str!("../../../docs/guide/29-websocket.md")]
struct WebSocketGuide;
