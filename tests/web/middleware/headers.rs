//! Headers of answers: security, the way to HTTPS, ids.

use std::collections::BTreeSet;
use std::time::Duration;

use http::HeaderName;
use reactor_web::middleware::{
    ContentSecurityPolicy, CspNonce, HttpsRedirect, RequestId, SecurityHeaders,
};
use reactor_web::{App, Request};

use crate::support::{answer, client, text};

#[test]
fn every_answer_has_the_headers_that_it_did_not_set_itself() {
    let app = App::new()
        .get("/", |_| "hello")
        .get("/own", |_| ([("x-frame-options", "SAMEORIGIN")], "own"))
        .get("/broken", |_| Err::<(), _>(deferred::Failure::msg("no")))
        .wrap(SecurityHeaders::new().hsts(Duration::from_secs(60), true));
    let client = client(app);
    for path in ["/", "/nowhere", "/broken", "/own"] {
        let answer = client.get(path);
        let frames = if path == "/own" { "SAMEORIGIN" } else { "DENY" };
        assert_eq!(
            answer.header("x-content-type-options"),
            Some("nosniff"),
            "{path}"
        );
        assert_eq!(answer.header("x-frame-options"), Some(frames), "{path}");
        assert_eq!(
            answer.headers().get_all("x-frame-options").iter().count(),
            1
        );
        let referrer = "strict-origin-when-cross-origin";
        assert_eq!(answer.header("referrer-policy"), Some(referrer), "{path}");
        // Over plain HTTP, it would be ignored, and is not to be sent.
        assert_eq!(answer.header("strict-transport-security"), None, "{path}");
        assert_eq!(answer.header("content-security-policy"), None, "{path}");
    }
}

#[test]
fn a_policy_has_a_nonce_for_each_request() {
    let policy = ContentSecurityPolicy::new()
        .directive("script-src", "'self' 'nonce'")
        .directive("upgrade-insecure-requests", "");
    let app = App::new()
        .get("/", |req: Request| {
            req.extensions().get::<CspNonce>().map(CspNonce::to_string)
        })
        .wrap(
            SecurityHeaders::new()
                .csp(policy.clone())
                .frames()
                .referrer("no-referrer"),
        );
    let client = client(app);
    let mut nonces = BTreeSet::new();
    for _ in 0..3 {
        let answer = client.get("/");
        let expected = format!(
            "script-src 'self' 'nonce-{}'; upgrade-insecure-requests",
            answer.text()
        );
        assert_eq!(answer.header("content-security-policy"), Some(&*expected));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("x-frame-options"), Some("SAMEORIGIN"));
        assert_eq!(answer.text().len(), 32);
        nonces.insert(answer.text().to_owned());
    }
    assert_eq!(nonces.len(), 3);

    let app = App::new().wrap(SecurityHeaders::new().csp(policy.report_only()));
    let answer = crate::support::client(app).get("/");
    assert!(
        answer
            .header("content-security-policy-report-only")
            .is_some()
    );
    assert!(answer.header("content-security-policy").is_none());
}

#[test]
fn headers_that_cannot_be_are_errors_when_the_app_is_served() {
    let policy = |name: &str, sources: &str| ContentSecurityPolicy::new().directive(name, sources);
    for headers in [
        SecurityHeaders::new().csp(policy("script-src", "'self'; script-src *")),
        SecurityHeaders::new().csp(policy("script-src", "a\r\nb")),
        SecurityHeaders::new().csp(policy("", "'self'")),
        SecurityHeaders::new().csp(policy("script src", "'self'")),
        SecurityHeaders::new().referrer("a\nb"),
    ] {
        App::new()
            .wrap(headers)
            .into_site()
            .expect_err("it would be another header");
    }
}

#[test]
fn plain_http_is_redirected() {
    let cases = [
        (HttpsRedirect::new(), "a.example", "https://a.example/x?y=z"),
        (
            HttpsRedirect::new(),
            "a.example:8080",
            "https://a.example/x?y=z",
        ),
        (
            HttpsRedirect::new().port(8443),
            "[::1]:8080",
            "https://[::1]:8443/x?y=z",
        ),
        (HttpsRedirect::new(), "[::1]", "https://[::1]/x?y=z"),
        (
            HttpsRedirect::new().host("b.example"),
            "a.example",
            "https://b.example/x?y=z",
        ),
    ];
    for (redirect, host, target) in cases {
        let client = client(App::new().get("/x", |_| "safe").wrap(redirect));
        let answer = client.get_with("/x?y=z", &[("host", host)]);
        assert_eq!(answer.status(), 308);
        assert_eq!(answer.header("location"), Some(target), "{host}");
        let proto = [("host", host), ("x-forwarded-proto", "https")];
        assert_eq!(
            client.get_with("/x", &proto).status(),
            308,
            "anyone may send it"
        );
    }
    let client = client(App::new().wrap(HttpsRedirect::new()));
    let peer = client.connect();
    peer.send("GET /x HTTP/1.0\r\n\r\n");
    assert_eq!(
        answer(&text(&peer)).0,
        "HTTP/1.0 400 Bad Request",
        "there is no host"
    );
}

#[test]
fn ids_are_taken_if_they_are_fit_and_made_otherwise() {
    let echo = |req: Request| req.id().unwrap_or_default().to_owned();
    let plain = client(App::new().get("/", echo).wrap(RequestId::new()));
    let long = "x".repeat(129);
    let mut made = BTreeSet::new();
    for sent in ["", "a b", "a\"b", "a\tb", "ä", &long] {
        let answer = plain.get_with("/", &[("x-request-id", sent)]);
        assert_ne!(answer.text(), sent);
        assert_eq!(answer.header("x-request-id"), Some(answer.text()));
        made.insert(answer.text().to_owned());
    }
    assert_eq!(made.len(), 6, "each is another one");
    for sent in ["7", "a-B_c.d:e/f+g=", &long[..128]] {
        assert_eq!(plain.get_with("/", &[("x-request-id", sent)]).text(), sent);
    }
    // Also where no handler is.
    assert!(plain.get("/nowhere").header("x-request-id").is_some());

    let own = RequestId::new()
        .header(HeaderName::from_static("x-trace"))
        .always_new();
    let own = client(App::new().get("/", echo).wrap(own));
    let answer = own.get_with("/", &[("x-trace", "7")]);
    assert_ne!(answer.text(), "7");
    assert_eq!(answer.header("x-trace"), Some(answer.text()));
}
