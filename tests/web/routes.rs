//! From a path and a method to a handler.

use std::cell::RefCell;
use std::rc::Rc;

use http::Method;
use reactor_web::{Answer, App, Body, Handler, Next, Request, RouteError};

use crate::support::client;

#[test]
fn parameters_are_segments_parts_of_them_or_the_rest() {
    let app = App::new()
        .get("/users/{id}", |req| {
            Ok(format!("user {}", req.param("id")?))
        })
        .get("/users/me", |_| "me")
        .get("/page-{n}.html", |req| {
            Ok(format!("page {}", req.param("n")?))
        })
        .get("/from/{a}/to/{b}", |req| {
            Ok(format!("{}+{}", req.param("a")?, req.param("b")?))
        })
        .get("/files/{*path}", |req| {
            Ok(format!("file {}", req.param("path")?))
        });
    let client = client(app);
    for (path, text) in [
        ("/users/7", "user 7"),
        ("/users/me", "me"),
        ("/users/a%20b%2Fc", "user a b/c"),
        ("/page-3.html", "page 3"),
        ("/from/x/to/y", "x+y"),
        ("/files/a/b.txt", "file a/b.txt"),
        ("/files/%C3%A4", "file ä"),
    ] {
        assert_eq!(client.get(path).text(), text, "{path}");
    }
    assert_eq!(client.get("/files/").status(), 404, "the rest is not empty");
    assert_eq!(client.get("/users/%ff").status(), 400, "not UTF-8");
    assert_eq!(client.get("/users/a/b").status(), 404);
}

#[test]
fn a_method_that_is_not_there_is_a_405_with_those_that_are() {
    let app = App::new()
        .get("/page", |_| "got")
        .post("/page", |_| "posted")
        .delete("/other", |_| "deleted")
        .any("/all", |req| req.method().to_string());
    let client = client(app);
    let ask = |method: Method, path| client.send(method, path, &[], Body::empty());

    let answer = ask(Method::PUT, "/page");
    assert_eq!(answer.status(), 405);
    assert_eq!(answer.header("allow"), Some("GET, HEAD, OPTIONS, POST"));
    assert_eq!(
        ask(Method::GET, "/other").header("allow"),
        Some("DELETE, OPTIONS")
    );

    let answer = ask(Method::OPTIONS, "/page");
    assert_eq!(answer.status(), 204);
    assert_eq!(answer.header("allow"), Some("GET, HEAD, OPTIONS, POST"));

    assert_eq!(ask(Method::PATCH, "/all").text(), "PATCH");
    assert_eq!(ask(Method::OPTIONS, "/nowhere").status(), 404);
}

#[test]
fn head_is_get_without_the_body() {
    let app = App::new()
        .get("/", |_| "hello")
        .get("/own", |_| "hello")
        .head("/own", |_| ([("x-own", "yes")], ()));
    let client = client(app);
    let answer = client.send(Method::HEAD, "/", &[], Body::empty());
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.header("content-length"), Some("5"));
    assert_eq!(answer.bytes(), b"");
    let answer = client.send(Method::HEAD, "/own", &[], Body::empty());
    assert_eq!(answer.header("x-own"), Some("yes"));
}

#[test]
fn a_wrong_trailing_slash_is_redirected_with_the_query() {
    let app = App::new()
        .get("/page", |_| "page")
        .post("/form/", |_| "form");
    let client = client(app);
    for (path, location) in [("/page/?a=1", "/page?a=1"), ("/form", "/form/")] {
        let answer = client.get(path);
        assert_eq!(answer.status(), 308, "{path}: a form is to be sent again");
        assert_eq!(answer.header("location"), Some(location));
    }
    assert_eq!(client.get("/page").text(), "page");
}

#[test]
fn a_redirect_does_not_lead_to_another_host() {
    let app = App::new().get("/{a}/{b}/", |_| "");
    let client = client(app);
    let peer = client.connect();
    for path in ["//evil.example/x", "/\\evil.example/x"] {
        peer.send(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n"));
        let answer = crate::support::text(&peer);
        assert!(!answer.contains("location:"), "{path}: {answer}");
    }
    peer.close();
}

#[test]
fn with_strict_slashes_it_is_a_404() {
    let client = client(App::new().get("/page", |_| "page").strict_slashes());
    assert_eq!(client.get("/page/").status(), 404);
}

#[test]
fn apps_are_nested() {
    let inner = App::new()
        .get("/", |req| format!("index, rest {:?}", req.rest()))
        .get("/{id}", |req| {
            Ok(format!("{} of {}", req.param("id")?, req.param("shop")?))
        })
        .get("/list/", |_| "list");
    let api = App::new()
        .mount("/{shop}/items", inner)
        .fallback(|_| "the api knows no such");
    let client = client(App::new().mount("/api", api).get("/", |_| "front"));
    for (path, text) in [
        ("/", "front"),
        ("/api/books/items", "index, rest \"\""),
        ("/api/books/items/", "index, rest \"/\""),
        ("/api/books/items/7", "7 of books"),
        ("/api/nothing", "the api knows no such"),
        ("/api", "the api knows no such"),
    ] {
        assert_eq!(client.get(path).text(), text, "{path}");
    }
    // The redirect has the whole path.
    let answer = client.get("/api/books/items/list");
    assert_eq!(answer.status(), 200, "a parameter takes it");
    let answer = client.get("/api/books/items/7/");
    assert_eq!(answer.header("location"), Some("/api/books/items/7"));
}

#[test]
fn apps_are_chosen_by_host() {
    let exact = App::new().get("/", |_| "exact");
    let below = App::new().get("/", |_| "below");
    let app = App::new()
        .host("example.org", exact)
        .host("*.example.org", below)
        .host("*.a.example.org", |_: Request| "longest")
        .get("/", |_| "default");
    let client = client(app);
    for (host, text) in [
        ("example.org", "exact"),
        ("EXAMPLE.org:8080", "exact"),
        ("www.example.org", "below"),
        ("b.a.example.org", "longest"),
        ("badexample.org", "default"),
        ("other.net", "default"),
        ("[::1]:80", "default"),
    ] {
        let answer = client.get_with("/", &[("host", host)]);
        assert_eq!(answer.text(), text, "{host}");
    }
}

#[test]
fn conflicts_are_errors_with_their_places() {
    let conflicts = [
        App::new().get("/{a}", |_| "").get("/{b}", |_| ""),
        App::new().get("/a", |_| "").get("/a", |_| ""),
        App::new().any("/a", |_| "").any("/a", |_| ""),
        App::new().mount("/a", App::new()).mount("/a", App::new()),
        App::new().get("/a/", |_| "").mount("/a", App::new()),
        App::new().get("no-slash", |_| ""),
        App::new().get("/{open", |_| ""),
        App::new().get("/{*rest}/more", |_| ""),
        App::new().mount("/inner", App::new().get("/x", |_| "").get("/x", |_| "")),
        App::new().host("h", App::new().get("/x", |_| "").get("/x", |_| "")),
    ];
    for (number, app) in conflicts.into_iter().enumerate() {
        let failure = app.into_site().expect_err(&format!("conflict {number}"));
        let error = failure.check::<RouteError>().expect("its type");
        assert!(error.place().file().ends_with("routes.rs"), "{error}");
    }
}

/// A handler that prepares its app twice, and does not give up.
struct Stubborn {
    app: App,
    outcomes: Rc<RefCell<Vec<bool>>>,
}

impl Handler for Stubborn {
    fn handle(&self, request: Request) -> Answer {
        self.app.handle(request)
    }

    fn prepare(&self) -> deferred::Result<()> {
        let both = [self.app.prepare().is_ok(), self.app.prepare().is_ok()];
        self.outcomes.borrow_mut().extend(both);
        Ok(())
    }
}

#[test]
fn an_app_whose_routes_conflict_stays_refused() {
    for (app, are_ok) in [
        (App::new().get("/{a}", |_| "").get("/{b}", |_| ""), false),
        (App::new().get("/{a}", |_| "there"), true),
    ] {
        let outcomes = Rc::default();
        let stubborn = Stubborn {
            app,
            outcomes: Rc::clone(&outcomes),
        };
        let client = client(App::new().mount("/in", stubborn));
        assert_eq!(outcomes.take(), [are_ok; 2]);
        let status = if are_ok { 200 } else { 500 };
        assert_eq!(client.get("/in/x").status(), status);
    }
}

#[test]
fn a_route_is_known_by_its_pattern() {
    let app = App::new().get("/users/{id}", |req| {
        req.route().unwrap_or("none").to_owned()
    });
    assert_eq!(client(app).get("/users/7").text(), "/users/{id}");
}

#[test]
fn middleware_is_around_everything_the_last_outermost() {
    let app = App::new()
        .get("/", |_| "x")
        .wrap(|req: Request, next: Next| next.run(req).map(|answer| mark(answer, "inner")))
        .wrap(async |req: Request, next: Next| mark(next.run(req).await, "outer"));
    let client = client(app);
    let marks = |path| {
        let answer = client.get(path);
        let marks = answer.headers().get_all("x-mark").into_iter();
        let marks: Vec<_> = marks
            .map(|mark| mark.to_str().unwrap_or("?").to_owned())
            .collect();
        (answer.status().as_u16(), marks.join(" "))
    };
    assert_eq!(marks("/"), (200, "inner outer".to_owned()));
    // A 404 is a failure as it passes by, so that a middleware can tell it from an answer.
    assert_eq!(marks("/none"), (404, String::new()));
}

fn mark(
    answer: deferred::Result<reactor_web::Response>,
    name: &'static str,
) -> deferred::Result<reactor_web::Response> {
    let mut answer = answer?;
    answer
        .headers_mut()
        .append("x-mark", http::HeaderValue::from_static(name));
    Ok(answer)
}
