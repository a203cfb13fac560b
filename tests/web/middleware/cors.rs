//! CORS: which pages of other origins may ask, and read.

use http::{HeaderName, Method};
use reactor_web::middleware::Cors;
use reactor_web::testing::{TestAnswer, TestClient};
use reactor_web::{App, Body};

use crate::support::client;

fn items(cors: Cors) -> TestClient {
    let app = App::new()
        .get("/items", |_| "items")
        .put("/items", |_| "stored")
        .wrap(cors);
    client(app)
}

fn preflight(client: &TestClient, origin: &str, method: &str) -> TestAnswer {
    let headers = [
        ("origin", origin),
        ("access-control-request-method", method),
        ("access-control-request-headers", "x-own"),
    ];
    client.send(Method::OPTIONS, "/items", &headers, Body::empty())
}

fn get(client: &TestClient, path: &str, origin: &str) -> TestAnswer {
    client.get_with(path, &[("origin", origin)])
}

const ALLOW_ORIGIN: &str = "access-control-allow-origin";

#[test]
fn origins_of_a_list_may_ask_with_credentials() {
    let cors = Cors::origins(["https://a.example", "http://b.example:8080"])
        .methods([Method::GET, Method::PUT])
        .headers([HeaderName::from_static("x-own"), http::header::CONTENT_TYPE])
        .expose([HeaderName::from_static("x-total")])
        .max_age(std::time::Duration::from_secs(60))
        .credentials();
    let client = items(cors);

    let answer = preflight(&client, "https://a.example", "PUT");
    assert_eq!(answer.status(), 204);
    for (name, value) in [
        (ALLOW_ORIGIN, "https://a.example"),
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-methods", "GET, PUT"),
        ("access-control-allow-headers", "x-own, content-type"),
        ("access-control-max-age", "60"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }

    let answer = get(&client, "/items", "http://b.example:8080");
    assert_eq!(answer.text(), "items");
    for (name, value) in [
        (ALLOW_ORIGIN, "http://b.example:8080"),
        ("access-control-allow-credentials", "true"),
        ("access-control-expose-headers", "x-total"),
        ("vary", "Origin"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    // A script may read why it failed.
    let answer = get(&client, "/nowhere", "https://a.example");
    assert_eq!(
        (answer.status().as_u16(), answer.header(ALLOW_ORIGIN)),
        (404, Some("https://a.example"))
    );
}

#[test]
fn others_get_none_of_the_headers() {
    let client = items(Cors::origins(["https://a.example"]).methods([Method::GET]));
    for (origin, method) in [
        ("https://b.example", "GET"),
        ("https://a.example.b.example", "GET"),
        ("https://a.example:8443", "GET"),
        ("http://a.example", "GET"),
        ("null", "GET"),
        ("https://a.example", "PUT"),
    ] {
        let answer = preflight(&client, origin, method);
        assert_eq!(answer.status(), 204, "{origin} {method}");
        assert_eq!(answer.header(ALLOW_ORIGIN), None, "{origin} {method}");
        assert_eq!(
            answer.header("access-control-allow-methods"),
            None,
            "{origin} {method}"
        );
    }
    let answer = get(&client, "/items", "https://b.example");
    assert_eq!(
        (answer.header(ALLOW_ORIGIN), answer.header("vary")),
        (None, Some("Origin"))
    );
    // No other origin: not a matter of CORS, but a cache has to know.
    let answer = client.get("/items");
    assert_eq!(
        (answer.header(ALLOW_ORIGIN), answer.header("vary")),
        (None, Some("Origin"))
    );
}

#[test]
fn any_origin_may_ask_and_a_closure_may_decide() {
    let client = items(Cors::any_origin());
    let answer = get(&client, "/items", "https://a.example");
    assert_eq!(
        (answer.header(ALLOW_ORIGIN), answer.header("vary")),
        (Some("*"), None)
    );

    let client = items(Cors::origins_by(|origin| origin.ends_with(".example.org")));
    let answer = get(&client, "/items", "https://a.example.org");
    assert_eq!(answer.header(ALLOW_ORIGIN), Some("https://a.example.org"));
    assert_eq!(
        get(&client, "/items", "https://example.com").header(ALLOW_ORIGIN),
        None
    );
}

#[test]
fn options_that_are_no_preflight_are_the_routes() {
    let client = items(Cors::any_origin());
    let answer = client.send(
        Method::OPTIONS,
        "/items",
        &[("origin", "https://a")],
        Body::empty(),
    );
    assert_eq!(answer.header("allow"), Some("GET, HEAD, OPTIONS, PUT"));
}

#[test]
fn settings_that_cannot_be_meant_are_errors() {
    for (cors, says) in [
        (Cors::any_origin().credentials(), "every site"),
        (Cors::origins(["https://a.example/"]), "an origin is"),
        (Cors::origins(["a.example"]), "an origin is"),
    ] {
        let failure = App::new()
            .wrap(cors)
            .into_site()
            .expect_err("it makes no sense");
        assert!(failure.to_string().contains(says), "{failure}");
    }
}
