//! What a client gets to see of a failure, and what it does not.

use deferred::Failure;
use http::StatusCode;
use reactor_web::{App, HttpError, Request};

use crate::support::client;

const SECRET: &str = "the password is <swordfish>";

fn failing() -> App {
    App::new()
        .get("/fails", |_| Err::<(), _>(Failure::msg(SECRET)))
        .get("/panics", |req: Request| -> String {
            assert!(req.path().is_empty(), "{SECRET}");
            String::new()
        })
        .get("/later", async |_: Request| {
            Err::<(), _>(Failure::msg(SECRET))
        })
        .get("/later-panics", async |req: Request| -> String {
            assert!(req.path().is_empty(), "{SECRET}");
            String::new()
        })
        .get("/ours", |_| {
            let error = HttpError::new(StatusCode::CONFLICT).with_message("it is <taken>");
            Err::<(), _>(error.into())
        })
        .get("/inside", |_| {
            Err::<(), _>(Failure::new(HttpError::forbidden()).context(SECRET))
        })
}

#[test]
fn a_failure_is_a_500_that_says_nothing_of_it() {
    let client = client(failing());
    for path in ["/fails", "/panics", "/later", "/later-panics"] {
        let answer = client.get(path);
        assert_eq!(answer.status(), 500, "{path}");
        assert!(
            !answer.text().contains("swordfish"),
            "{path}: {}",
            answer.text()
        );
        assert!(answer.text().contains("500 Internal Server Error"));
    }
}

#[test]
fn in_debug_mode_the_page_has_the_story_and_no_html_of_it() {
    let client = client(failing().debug(true));
    for path in ["/fails", "/panics", "/later", "/later-panics"] {
        let answer = client.get(path);
        assert_eq!(answer.status(), 500, "{path}");
        let page = answer.text();
        assert!(
            page.contains("&lt;swordfish&gt;") && !page.contains("<swordfish>"),
            "{page}"
        );
    }
    let page = client.get("/fails");
    assert!(
        page.text().contains("errors.rs"),
        "where it was raised: {}",
        page.text()
    );
}

#[test]
fn a_typed_error_has_its_status_and_shows_its_message() {
    let client = client(failing());
    let answer = client.get("/ours");
    assert_eq!(answer.status(), 409);
    assert!(
        answer.text().contains("it is &lt;taken&gt;"),
        "{}",
        answer.text()
    );

    // What was added on the way is for the log.
    let answer = client.get("/inside");
    assert_eq!(answer.status(), 403);
    assert!(!answer.text().contains("swordfish"));
}

#[test]
fn an_app_makes_its_own_pages() {
    let app = failing().error_page(|error| match error.status() {
        StatusCode::NOT_FOUND => Ok("nothing here"),
        status => Err(Failure::msg(format!("no page for {status}"))),
    });
    let client = client(app);
    let answer = client.get("/nowhere");
    assert_eq!(answer.status(), 404, "the page keeps the status");
    assert_eq!(answer.text(), "nothing here");
    // A page that fails is replaced.
    let answer = client.get("/fails");
    assert_eq!(answer.status(), 500);
    assert!(answer.text().contains("500 Internal Server Error"));
}

#[test]
fn a_missing_parameter_is_the_fault_of_the_handler() {
    let app = App::new().get("/{name}", |req| Ok(req.param("nmae")?.to_owned()));
    assert_eq!(client(app).get("/x").status(), 500);
}
