//! Forms that pages of other sites cannot send.

use http::Method;
use reactor_web::sessions::{Csrf, Sessions};
use reactor_web::testing::{TestAnswer, TestClient};
use reactor_web::{App, Body, Request, multipart_error};

use crate::support::client;

async fn form(req: Request) -> deferred::Result<String> {
    let fields: Vec<(String, String)> = req.form().await?;
    let names: Vec<_> = fields.into_iter().map(|(name, _)| name).collect();
    Ok(names.join(" "))
}

async fn upload(req: Request) -> deferred::Result<String> {
    let mut parts = req.multipart()?;
    let mut seen = Vec::new();
    while let Some(part) = parts.next_field().await.map_err(multipart_error)? {
        let name = part.name().unwrap_or_default().to_owned();
        let size = part.bytes().await.map_err(multipart_error)?.len();
        seen.push(format!("{name}:{size}"));
    }
    Ok(seen.join(" "))
}

fn site(csrf: Csrf) -> TestClient {
    let app = App::new()
        .get("/token", |req| req.csrf_token())
        .post("/form", form)
        .post("/upload", upload)
        .post("/", |_| "done")
        .delete("/", |_| "deleted")
        .wrap(csrf)
        .wrap(Sessions::in_memory());
    client(app)
}

/// A browser with a session.
struct Browser {
    client: TestClient,
    cookie: String,
    token: String,
}

impl Browser {
    fn new(csrf: Csrf) -> Self {
        let client = site(csrf);
        let answer = client.get("/token");
        let set = answer.header("set-cookie").unwrap();
        Self {
            cookie: set.split(';').next().unwrap().to_owned(),
            token: answer.text().to_owned(),
            client,
        }
    }

    fn post(&self, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> TestAnswer {
        let mut all = vec![("cookie", &*self.cookie)];
        all.extend(headers);
        self.client.send(Method::POST, path, &all, body.into())
    }

    fn status(&self, headers: &[(&str, &str)]) -> u16 {
        let mut all = vec![("x-csrf-token", &*self.token)];
        all.extend(headers);
        self.post("/", &all, "").status().as_u16()
    }
}

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const UPLOAD: (&str, &str) = ("content-type", "multipart/form-data; boundary=x");

#[test]
fn a_request_needs_the_token_of_its_session() {
    let browser = Browser::new(Csrf::new());
    let token = &browser.token;
    assert_eq!(
        browser.post("/", &[("x-csrf-token", token)], "").text(),
        "done"
    );
    let again = browser
        .client
        .get_with("/token", &[("cookie", &browser.cookie)]);
    assert_ne!(again.text(), token, "no two texts are the same");
    assert_eq!(
        browser
            .post("/", &[("x-csrf-token", again.text())], "")
            .text(),
        "done"
    );
    assert_eq!(
        browser
            .post("/form", &[FORM], format!("a=b&csrf_token={token}&c=d"))
            .text(),
        "a csrf_token c"
    );

    let other = Browser::new(Csrf::new());
    let wrong = "0".repeat(64);
    let short = &token[..62];
    for text in [
        &*other.token,
        &wrong,
        short,
        &format!("{token}00"),
        "",
        "\u{e4}",
        &"zz".repeat(32),
    ] {
        assert_eq!(
            browser.post("/", &[("x-csrf-token", text)], "").status(),
            403,
            "{text}"
        );
        let form = format!("csrf_token={text}");
        assert_eq!(browser.post("/form", &[FORM], form).status(), 403, "{text}");
    }
    assert_eq!(browser.post("/form", &[FORM], "a=b").status(), 403);
    assert_eq!(browser.post("/", &[], "").status(), 403);
    assert_eq!(
        browser
            .post("/", &[("content-type", "text/plain")], "csrf_token")
            .status(),
        403
    );
    // A client without a session has no token.
    let headers = [("x-csrf-token", token.as_str())];
    let answer = browser
        .client
        .send(Method::DELETE, "/", &headers, Body::empty());
    assert_eq!(answer.status(), 403);
}

#[test]
fn a_request_from_elsewhere_is_refused_whatever_it_has() {
    let browser = Browser::new(Csrf::new().trust_origin("https://partner.example"));
    for origin in [
        "http://localhost",
        "https://localhost",
        "https://partner.example",
    ] {
        assert_eq!(browser.status(&[("origin", origin)]), 200, "{origin}");
    }
    for origin in [
        "http://elsewhere.example",
        "http://localhost.example",
        "null",
        "",
        "http://localhost:81",
        "\u{e4}",
    ] {
        assert_eq!(browser.status(&[("origin", origin)]), 403, "{origin}");
    }
    for (site, status) in [
        ("same-origin", 200),
        ("none", 200),
        ("same-site", 403),
        ("cross-site", 403),
    ] {
        assert_eq!(
            browser.status(&[("sec-fetch-site", site)]),
            status,
            "{site}"
        );
    }
    let partner = [
        ("origin", "https://partner.example"),
        ("sec-fetch-site", "cross-site"),
    ];
    assert_eq!(browser.status(&partner), 200);
}

#[test]
fn a_form_with_files_has_the_token_first_and_stays_whole() {
    let browser = Browser::new(Csrf::new());
    let token = &browser.token;
    let field = |name: &str, text: &str| {
        format!("--x\r\ncontent-disposition: form-data; name={name}\r\n\r\n{text}\r\n")
    };
    let file = |size: usize| {
        let content = "y".repeat(size);
        format!("--x\r\ncontent-disposition: form-data; name=file; filename=f\r\n\r\n{content}\r\n")
    };
    let upload =
        |parts: &[String]| browser.post("/upload", &[UPLOAD], parts.concat() + "--x--\r\n");
    let right = field("csrf_token", token);
    for size in [0, 10, 300_000] {
        let answer = upload(&[right.clone(), file(size), field("a", "b")]);
        assert_eq!(answer.text(), format!("csrf_token:64 file:{size} a:1"));
    }
    for parts in [
        vec![file(10), right.clone()],
        vec![field("a", "b"), right],
        vec![field("csrf_token", &"0".repeat(64))],
        vec![],
    ] {
        assert_eq!(upload(&parts).status(), 403, "{parts:?}");
    }
    assert_eq!(
        upload(&[field("csrf_token", &"0".repeat(2000))]).status(),
        413
    );
    assert_eq!(
        browser
            .post("/upload", &[("content-type", "multipart/form-data")], "")
            .status(),
        400
    );
}

#[test]
fn safe_methods_need_none() {
    let client = site(Csrf::new());
    assert_eq!(
        client
            .get_with("/token", &[("sec-fetch-site", "cross-site")])
            .status(),
        200
    );
    assert_eq!(
        client
            .send(Method::OPTIONS, "/", &[], Body::empty())
            .status(),
        204
    );
}
