//! `Routes`: finds the handler for a path and a method.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::rc::Rc;

use http::{HeaderValue, Method, StatusCode, header};
use matchit::Router;

use super::hosts::Hosts;
use crate::error::HttpError;
use crate::handler::{AnyHandler, Erased, call};
use crate::request::{Params, Request, Route};
use crate::response::{Answer, Redirect};

/// The parameter that takes what is left of a path below a mounted handler.
// With spaces, so that a parameter of the user is less likely to have its name.
const REST: &str = "rest of the path";

/// A route as it was added.
pub(super) struct Definition {
    pub(super) pattern: String,
    pub(super) kind: Kind,
    pub(super) handler: AnyHandler,
    pub(super) place: &'static Location<'static>,
}

/// Which requests for a path a handler answers.
#[derive(Debug)]
pub(super) enum Kind {
    Method(Method),
    Any,
    Mount,
}

/// All routes of an app.
pub(super) struct Routes {
    // From a pattern to an index in `endpoints`. A mount has up to three patterns for one endpoint.
    router: Router<usize>,
    endpoints: Vec<Endpoint>,
    hosts: Hosts,
    fallback: Option<AnyHandler>,
    is_strict: bool,
}

/// The handlers of one path.
struct Endpoint {
    route: Rc<Route>,
    methods: Vec<(Method, AnyHandler)>,
    any: Option<AnyHandler>,
    is_mount: bool,
    // The value of `Allow`. Computed whenever a method is added, so that a request only clones it.
    allow: HeaderValue,
}

impl Routes {
    pub(super) fn new(
        definitions: Vec<Definition>,
        hosts: Hosts,
        fallback: Option<AnyHandler>,
        is_strict: bool,
    ) -> deferred::Result<Self> {
        hosts.prepare()?;
        let mut routes = Self {
            router: Router::new(),
            endpoints: Vec::new(),
            hosts,
            fallback,
            is_strict,
        };
        // Index of the endpoint by the exact pattern. The router refuses two different patterns
        // that match the same path, if neither takes precedence.
        let mut known = BTreeMap::new();
        for definition in definitions {
            let Definition {
                pattern,
                kind,
                handler,
                place,
            } = definition;
            handler.prepare()?;
            let refuse = |why: String| RouteError {
                pattern: pattern.clone(),
                place,
                why,
            };
            if !pattern.starts_with('/') {
                return Err(refuse("it does not begin with a slash".to_owned()).into());
            }
            let is_mount = matches!(kind, Kind::Mount);
            let index = match known.get(&pattern) {
                // A mount goes to `insert`, which finds the conflict with what is there.
                Some(index) if !is_mount => *index,
                _ => {
                    routes.insert(&pattern, is_mount).map_err(refuse)?;
                    known.insert(pattern.clone(), routes.endpoints.len() - 1);
                    routes.endpoints.len() - 1
                }
            };
            let added = routes.endpoints[index].add(kind, handler);
            added.map_err(refuse)?;
        }
        Ok(routes)
    }

    /// Adds an endpoint without handlers at `pattern`.
    fn insert(&mut self, pattern: &str, is_mount: bool) -> Result<(), String> {
        let index = self.endpoints.len();
        // `index` is the one that the `push` below gives to the endpoint.
        let mut insert = |pattern: String| {
            let inserted = self.router.insert(pattern, index);
            inserted.map_err(|error| error.to_string())
        };
        if is_mount {
            let prefix = pattern.trim_end_matches('/');
            if !prefix.is_empty() {
                insert(prefix.to_owned())?;
            }
            // A `{*name}` takes one segment at least, so the mount itself needs its own patterns.
            insert(format!("{prefix}/"))?;
            insert(format!("{prefix}/{{*{REST}}}"))?;
        } else {
            insert(pattern.to_owned())?;
        }
        self.endpoints.push(Endpoint {
            route: Rc::new(Route {
                pattern: pattern.to_owned(),
                names: parameters(pattern),
                is_mount,
            }),
            methods: Vec::new(),
            any: None,
            is_mount,
            allow: HeaderValue::from_static("OPTIONS"),
        });
        Ok(())
    }

    /// The answer if no route matches.
    fn not_found(&self, request: Request) -> Answer {
        if let Some(location) = self.other_slash(&request) {
            return Answer::now(Redirect::permanent(location));
        }
        match &self.fallback {
            Some(fallback) => call(&**fallback, request),
            None => Answer::failed(HttpError::not_found()),
        }
    }

    /// The same address with a slash at its end, or without it, if there is a route.
    fn other_slash(&self, request: &Request) -> Option<String> {
        let path = request.path();
        // A browser would take a redirect to `//host/` for one to another host.
        if self.is_strict || path.starts_with("//") || path.starts_with("/\\") {
            return None;
        }
        let other = |path: &str| match path.strip_suffix('/') {
            Some(without) => without.to_owned(),
            None => format!("{path}/"),
        };
        // This app's routes know only its rest of the path, but the redirect names the whole path.
        let found = self.router.at(&other(request.rest())).is_ok();
        let query = request.uri().query();
        let query = query.map_or(String::new(), |query| format!("?{query}"));
        // The path is still percent-encoded, as the client has sent it, so nothing in it can become
        // a header or another path.
        found.then(|| other(path) + &query)
    }
}

impl Erased for Routes {
    fn handle(&self, mut request: Request) -> Answer {
        if let Some(handler) = self.hosts.of(request.head()) {
            return call(&**handler, request);
        }
        // Taken out, since the match borrows the path of the request.
        let mut params = std::mem::take(request.params_mut());
        let whole = request.path();
        // This `/` is not a slice of `whole`, as `take_params` requires for parameters. But `/` has
        // none, since a parameter is never empty.
        let path = match params.rest(whole) {
            // This app is mounted at `/prefix`, and the request is for `/prefix` itself.
            "" => "/",
            path => path,
        };
        let Ok(matched) = self.router.at(path) else {
            *request.params_mut() = params;
            return self.not_found(request);
        };
        let endpoint = &self.endpoints[*matched.value];
        endpoint.take_params(&matched.params, whole, &mut params);
        *request.params_mut() = params;
        request.note_route();
        endpoint.handle(request)
    }
}

impl Endpoint {
    fn add(&mut self, kind: Kind, handler: AnyHandler) -> Result<(), String> {
        match kind {
            Kind::Method(method) => {
                if self.of(&method).is_some() {
                    return Err(format!("there is a handler for {method} already"));
                }
                self.methods.push((method, handler));
                self.allow = self.allowed();
            }
            Kind::Any | Kind::Mount => {
                if self.any.replace(handler).is_some() {
                    return Err("there is a handler for any method already".to_owned());
                }
            }
        }
        Ok(())
    }

    /// The handler of a method.
    fn of(&self, wanted: &Method) -> Option<&AnyHandler> {
        let found = self.methods.iter().find(|(known, _)| known == wanted);
        found.map(|(_, handler)| handler)
    }

    /// The value of `Allow`.
    fn allowed(&self) -> HeaderValue {
        let has = |wanted: &Method| self.of(wanted).is_some();
        let mut names: Vec<_> = self
            .methods
            .iter()
            .map(|(method, _)| method.as_str())
            .collect();
        if has(&Method::GET) && !has(&Method::HEAD) {
            names.push("HEAD");
        }
        if !has(&Method::OPTIONS) {
            names.push("OPTIONS");
        }
        names.sort_unstable();
        // A method is a token, which may stand in a header.
        HeaderValue::from_str(&names.join(", "))
            .unwrap_or_else(|_| HeaderValue::from_static("OPTIONS"))
    }

    /// Adds the parameters to those of the apps above, and sets where the rest begins.
    fn take_params(&self, matched: &matchit::Params<'_, '_>, whole: &str, params: &mut Params) {
        // `matchit` returns slices of the path, so the difference of the addresses is the offset in
        // `whole`.
        let start_of = |value: &str| value.as_ptr().addr() - whole.as_ptr().addr();
        // If a mount has matched without `{*rest}`, the request is for its own path, with a slash
        // or without.
        let mut rest = whole.len() - usize::from(whole.ends_with('/'));
        for (index, (name, value)) in matched.iter().enumerate() {
            let start = start_of(value);
            if name == REST {
                // With the slash before it.
                rest = start - 1;
            } else {
                params.push(&self.route, index, start..start + value.len(), value);
            }
        }
        if self.is_mount {
            params.set_rest(rest);
        }
        // The innermost route is that of the request: each app on the way sets its own.
        params.set_route(Rc::clone(&self.route));
    }

    fn handle(&self, request: Request) -> Answer {
        let method = request.method();
        let of_get = || match *method {
            Method::HEAD => self.of(&Method::GET),
            _ => None,
        };
        // For `HEAD`, the handler of `GET` takes precedence over that of any method, since both
        // answers have to agree (RFC 9110, 9.3.2).
        let handler = self.of(method).or_else(of_get).or(self.any.as_ref());
        match handler {
            Some(handler) => call(&**handler, request),
            None if *method == Method::OPTIONS => {
                Answer::now(([(header::ALLOW, self.allow.clone())], ()))
            }
            None => Answer::failed(
                HttpError::new(StatusCode::METHOD_NOT_ALLOWED)
                    .with_header(header::ALLOW, self.allow.clone()),
            ),
        }
    }
}

/// The names of the parameters of a pattern, in order.
fn parameters(pattern: &str) -> Vec<String> {
    // Braces that stand for themselves, in the escape of `matchit`.
    let plain = pattern.replace("{{", "").replace("}}", "");
    let pieces = plain.split('{').skip(1);
    let names = pieces.filter_map(|piece| Some(piece.split_once('}')?.0));
    names
        .map(|name| name.trim_start_matches('*').to_owned())
        .collect()
}

/// A route cannot be added to an app: it conflicts with another one, or its pattern is invalid.
///
/// # Examples
///
/// ```
/// use reactor_web::App;
///
/// let app = App::new().get("/{name}", |_| "one").get("/{other}", |_| "the other");
/// let failure = app.into_site().unwrap_err();
/// let error = failure.trap::<reactor_web::RouteError>()?;
/// assert_eq!(error.pattern(), "/{other}");
/// assert!(error.to_string().contains("conflict"), "{error}");
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Clone, Debug)]
pub struct RouteError {
    pattern: String,
    place: &'static Location<'static>,
    why: String,
}

impl RouteError {
    /// The pattern of the route.
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// Where in the program the route was added.
    pub fn place(&self) -> &'static Location<'static> {
        self.place
    }
}

impl fmt::Display for RouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pattern,
            place,
            why,
        } = self;
        write!(f, "the route `{pattern}`, added at {place}: {why}")
    }
}

impl Error for RouteError {}

impl fmt::Debug for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.kind, self.pattern)
    }
}
