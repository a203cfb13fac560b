//! `App`: routes, handlers and settings, before they are served.

mod error_page;
mod hosts;
mod limits;
mod middleware;
mod routes;

use std::cell::{OnceCell, RefCell};
use std::panic::Location;
use std::rc::Rc;
use std::{fmt, mem};

use deferred::{Failure, Result};
use http::Method;

pub(crate) use self::error_page::ErrorPages;
use self::hosts::Hosts;
pub use self::limits::Limits;
use self::middleware::{AnyMiddleware, erase_middleware, wrapped};
pub use self::middleware::{Middleware, Next};
pub use self::routes::RouteError;
use self::routes::{Definition, Kind, Routes};
use crate::error::HttpError;
use crate::handler::{AnyHandler, Handler, call, erase};
use crate::request::Request;
use crate::response::{Answer, IntoResponse, Reply, Response};

/// Routes and their handlers.
///
/// # Routes
///
/// A pattern is a path. `{name}` matches one segment, or the part of a segment between a fixed
/// prefix and suffix (`/page-{n}.html`); `{*rest}` at the end matches the rest of the path, at
/// least one segment. Fixed text takes precedence over a parameter, in whatever order the routes
/// were added. `{{` and `}}` stand for braces.
///
/// - A path that exists, with a method that does not: 405, with `Allow`.
/// - `HEAD` is answered by the handler of `GET`, without the body; `OPTIONS` with the list of
///   methods. Either may have a handler of its own.
/// - **Trailing slash**: `/page` and `/page/` are two paths. If only the other one exists, the
///   answer is a redirect to it, 308, so that a form is sent again as it was;
///   [`strict_slashes`](Self::strict_slashes) makes that a 404. A mounted handler is found with and
///   without the slash.
/// - Two patterns of which neither takes precedence, such as `/{id}` and `/{name}`, are an error
///   when the app is served, and so are two handlers for one pattern and method.
///
/// # Examples
///
/// ```
/// use reactor_web::{App, testing::TestClient};
///
/// let articles = App::new()
///     .get("/", |_| "all articles")
///     .get("/{id}", |req| Ok(format!("article {}", req.param_as::<u32>("id")?)));
/// let app = App::new().get("/", |_| "hello").mount("/articles", articles);
///
/// let client = TestClient::new(app)?;
/// assert_eq!(client.get("/articles").text(), "all articles");
/// assert_eq!(client.get("/articles/7").text(), "article 7");
/// assert_eq!(client.get("/article").status(), 404);
/// # Ok::<(), deferred::Failure>(())
/// ```
#[doc(alias = "Klein", alias = "Router")]
#[must_use = "an app does nothing until it is served"]
pub struct App {
    // `prepare` takes the routes, hosts, fallback and middleware out. Not borrowed while a request
    // is answered.
    draft: RefCell<Draft>,
    /// Set by `prepare`.
    // In a cell, since `prepare` has only a shared reference: a mounted app is behind an `Rc`.
    built: OnceCell<AnyHandler>,
}

/// The routes and settings that were added to an app so far.
#[derive(Default)]
struct Draft {
    definitions: Vec<Definition>,
    hosts: Hosts,
    fallback: Option<AnyHandler>,
    /// From the innermost to the outermost.
    middleware: Vec<AnyMiddleware>,
    limits: Limits,
    errors: ErrorPages,
    is_strict: bool,
    /// Set by the first `prepare`, and not cleared.
    is_taken: bool,
}

/// Defines a method of `App` for each HTTP method.
macro_rules! method_routes {
    ($($name:ident $method:ident),*) => {$(
        #[doc = concat!("Has `", stringify!($method), "` requests for `pattern` answered by `handler`.")]
        #[track_caller]
        pub fn $name<F, R, M>(self, pattern: &str, handler: F) -> Self
        where
            F: Fn(Request) -> R + 'static,
            R: Reply<M>,
            M: 'static,
        {
            self.method(Method::$method, pattern, handler)
        }
    )*};
}

impl App {
    /// An app without routes.
    pub fn new() -> Self {
        Self {
            draft: RefCell::default(),
            built: OnceCell::new(),
        }
    }

    method_routes!(get GET, post POST, put PUT, patch PATCH, delete DELETE, head HEAD, options OPTIONS);

    /// Has requests of this method for `pattern` answered by `handler`.
    #[track_caller]
    pub fn method<F, R, M>(self, method: Method, pattern: &str, handler: F) -> Self
    where
        F: Fn(Request) -> R + 'static,
        R: Reply<M>,
        M: 'static,
    {
        self.define(pattern, Kind::Method(method), erase(handler))
    }

    /// Has requests of any method for `pattern` answered by `handler`, unless the method has its
    /// own.
    #[track_caller]
    pub fn any<F, R, M>(self, pattern: &str, handler: F) -> Self
    where
        F: Fn(Request) -> R + 'static,
        R: Reply<M>,
        M: 'static,
    {
        self.define(pattern, Kind::Any, erase(handler))
    }

    /// Has everything at and below `prefix` answered by `handler`: another app, files, a resource
    /// tree, or a closure. The handler gets the rest of the path as [`Request::rest`].
    #[doc(alias = "nest", alias = "putChild")]
    #[track_caller]
    pub fn mount<M: 'static>(self, prefix: &str, handler: impl Handler<M>) -> Self {
        self.define(prefix, Kind::Mount, erase(handler))
    }

    /// Has requests for the host `name` answered by `handler`, which usually is an app.
    /// `*.example.org` is every name below `example.org`. Letter case and port are ignored.
    /// Requests for other hosts are answered by this app.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor_web::{App, testing::TestClient};
    ///
    /// let shop = App::new().get("/", |_| "the shop");
    /// let app = App::new().host("shop.example.org", shop).get("/", |_| "the front page");
    /// let client = TestClient::new(app)?;
    /// assert_eq!(client.get("/").text(), "the front page");
    /// assert_eq!(client.get("http://shop.example.org/").text(), "the shop");
    /// # Ok::<(), deferred::Failure>(())
    /// ```
    #[doc(alias = "NameVirtualHost")]
    pub fn host<M: 'static>(mut self, name: &str, handler: impl Handler<M>) -> Self {
        self.draft.get_mut().hosts.add(name, erase(handler));
        self
    }

    /// Has requests that match no route answered by `handler`, instead of with a 404.
    pub fn fallback<F, R, M>(mut self, handler: F) -> Self
    where
        F: Fn(Request) -> R + 'static,
        R: Reply<M>,
        M: 'static,
    {
        self.draft.get_mut().fallback = Some(erase(handler));
        self
    }

    /// Puts `middleware` around everything in this app, its 404 pages included. The middleware gets
    /// each request, may ask the [`Next`] handler for the answer, and returns that answer, a
    /// changed one, or another one. The middleware added last is the outermost.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor_web::{Answer, App, HttpError, Next, Request, testing::TestClient};
    ///
    /// let app = App::new().get("/", |_| "a secret").wrap(|req: Request, next: Next| {
    ///     match req.header("x-key") {
    ///         Some("42") => next.run(req),
    ///         _ => Answer::now(HttpError::forbidden()),
    ///     }
    /// });
    /// let client = TestClient::new(app)?;
    /// assert_eq!(client.get("/").status(), 403);
    /// assert_eq!(client.get_with("/", &[("x-key", "42")]).text(), "a secret");
    /// # Ok::<(), deferred::Failure>(())
    /// ```
    #[doc(alias = "layer")]
    pub fn wrap<M: 'static>(mut self, middleware: impl Middleware<M>) -> Self {
        let middlewares = &mut self.draft.get_mut().middleware;
        middlewares.push(erase_middleware(middleware));
        self
    }

    /// Puts `middleware` around only the routes that `routes` adds to an empty app. The middleware
    /// runs after such a route was found, so [`Request::route`] and the parameters are known; a
    /// request whose path or method has no route never reaches it.
    ///
    /// The other settings of that app (its fallback, hosts, limits and pages) have no effect.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor_web::middleware::Timeout;
    /// use reactor_web::{App, Request, testing::TestClient};
    /// use std::time::Duration;
    ///
    /// let app = App::new()
    ///     .get("/", |_| "hello")
    ///     .group(Timeout::after(Duration::from_secs(5)), |app| {
    ///         app.get("/slow", async |req: Request| {
    ///             deferred::sleep(req.reactor(), Duration::from_secs(60)).await?;
    ///             Ok("too late")
    ///         })
    ///     });
    /// let client = TestClient::new(app)?;
    /// let slow = client.start_get("/slow");
    /// client.advance(Duration::from_secs(5));
    /// assert_eq!(slow.answer().status(), 504);
    /// # Ok::<(), deferred::Failure>(())
    /// ```
    #[doc(alias = "route_layer", alias = "scope")]
    pub fn group<M: 'static>(
        mut self,
        middleware: impl Middleware<M>,
        routes: impl FnOnce(Self) -> Self,
    ) -> Self {
        let mut inner = routes(Self::new()).draft.into_inner();
        inner.middleware.push(erase_middleware(middleware));
        let definitions = &mut self.draft.get_mut().definitions;
        for mut definition in inner.definitions {
            // Around each route and not around a router: it runs only when a route was found.
            for around in &inner.middleware {
                definition.handler = wrapped(around, definition.handler);
            }
            definitions.push(definition);
        }
        self
    }

    /// Sets the limits. Those of an app that is mounted have no effect.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.draft.get_mut().limits = limits;
        self
    }

    /// Answers a path whose trailing slash is wrong with 404, not with a redirect.
    pub fn strict_slashes(mut self) -> Self {
        self.draft.get_mut().is_strict = true;
        self
    }

    /// Whether the page of a failure shows its `Debug` text: the error, where it was raised, and the
    /// stages that it passed. For development only, as it tells strangers about the program. Only
    /// the setting of the app that is served has an effect, not that of mounted apps.
    pub fn debug(mut self, shows_failures: bool) -> Self {
        self.draft.get_mut().errors.set_debug(shows_failures);
        self
    }

    /// Sets the function that makes the pages of errors: 404, 405, 500 and the others. Only that of
    /// the app that is served has an effect, not that of mounted apps.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor_web::{App, testing::TestClient};
    ///
    /// let app = App::new().error_page(|error| format!("sorry: {}", error.message()));
    /// let answer = TestClient::new(app)?.get("/nowhere");
    /// assert_eq!((answer.status(), answer.text()), (http::StatusCode::NOT_FOUND, "sorry: Not Found"));
    /// # Ok::<(), deferred::Failure>(())
    /// ```
    pub fn error_page<F, R>(mut self, page: F) -> Self
    where
        F: Fn(&HttpError) -> R + 'static,
        R: IntoResponse,
    {
        let page = move |error: &HttpError| -> Result<Response> { page(error).into_response() };
        self.draft.get_mut().errors.set_page(Box::new(page));
        self
    }

    #[track_caller]
    fn define(mut self, pattern: &str, kind: Kind, handler: AnyHandler) -> Self {
        self.draft.get_mut().definitions.push(Definition {
            pattern: pattern.to_owned(),
            kind,
            handler,
            place: Location::caller(),
        });
        self
    }

    /// The app as one handler, with its settings.
    pub(crate) fn build(self) -> Result<Built> {
        self.prepare()?;
        let draft = self.draft.into_inner();
        let handler = self.built.into_inner();
        Ok(Built {
            handler: handler.ok_or_else(unprepared)?,
            limits: draft.limits,
            errors: draft.errors,
        })
    }
}

/// Builds its routes in `prepare`.
impl Handler for App {
    fn handle(&self, request: Request) -> Answer {
        match self.built.get() {
            Some(handler) => call(&**handler, request),
            None => Answer::failed(unprepared()),
        }
    }

    fn prepare(&self) -> Result<()> {
        // A user's handler that contains this app may call `prepare` twice.
        if self.built.get().is_some() {
            return Ok(());
        }
        let mut draft = self.draft.borrow_mut();
        // What follows takes the routes out of the draft: after a failure, they are gone.
        if mem::replace(&mut draft.is_taken, true) {
            return Err(Failure::msg(
                "`Handler::prepare` of this app has failed before, or is running: build another app",
            ));
        }
        let definitions = mem::take(&mut draft.definitions);
        let hosts = mem::take(&mut draft.hosts);
        let (fallback, is_strict) = (draft.fallback.take(), draft.is_strict);
        let middlewares = mem::take(&mut draft.middleware);
        // The borrow ends here: handlers and middleware are prepared next, which may call this.
        drop(draft);
        let routes = Routes::new(definitions, hosts, fallback, is_strict)?;
        let mut handler: AnyHandler = Rc::new(routes);
        for middleware in middlewares {
            middleware.prepare()?;
            handler = wrapped(&middleware, handler);
        }
        // Errs only if `built` is set already, which was checked above.
        let _ = self.built.set(handler);
        Ok(())
    }
}

fn unprepared() -> Failure {
    Failure::msg("a handler was called that `Handler::prepare` was not called for")
}

/// An app that is ready to be served.
pub(crate) struct Built {
    pub(crate) handler: AnyHandler,
    pub(crate) limits: Limits,
    pub(crate) errors: ErrorPages,
}

impl Default for App {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("routes", &self.draft.borrow().definitions)
            .finish_non_exhaustive()
    }
}
