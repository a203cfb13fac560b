//! The span of a request.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use deferred::sleep;
use reactor_web::middleware::{RequestId, RequestSpan};
use reactor_web::{App, HttpError, Next, Request};
use tracing_subscriber::fmt::MakeWriter;

use crate::support::client;

/// What a subscriber has written.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Written {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The lines of the log that `f` writes, down to DEBUG.
fn logged(f: impl FnOnce()) -> Vec<String> {
    let written = Written::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(written.clone())
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .without_time()
        .finish();
    tracing::subscriber::with_default(subscriber, f);
    let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    text.lines().map(str::to_owned).collect()
}

// One test, since a callsite that another thread has met without a subscriber may stay disabled.
#[test]
fn events_of_a_handler_are_in_the_span_of_its_request() {
    let app = || {
        App::new()
            .get("/now/{n}", |_| {
                tracing::info!("looking now");
                "now"
            })
            .get("/later", async |req: Request| {
                tracing::info!("looking");
                sleep(req.reactor(), Duration::from_millis(1500)).await?;
                tracing::info!("looked");
                Ok("later")
            })
            .get("/broken", |_| HttpError::new(http::StatusCode::BAD_GATEWAY))
            .wrap(|mut req: Request, next: Next| {
                req.set_user("ann");
                next.run(req)
            })
            .wrap(RequestSpan::new())
            .wrap(RequestId::new())
    };
    let unseen = App::new()
        .get("/", |_| tracing::Span::current().is_none().to_string())
        .wrap(RequestSpan::new());
    assert_eq!(
        client(unseen).get("/").text(),
        "true",
        "there is no subscriber"
    );

    let lines = logged(|| {
        let client = client(app());
        client.get_with("/now/7?secret=1", &[("x-request-id", "id-1")]);
        let later = client.start_get("/later");
        client.advance(Duration::from_millis(1500));
        later.answer();
        client.get("/broken");
        drop(client.start_get("/later"));
    });
    let of = |text: &str| {
        lines
            .iter()
            .filter(|line| line.contains(text))
            .collect::<Vec<_>>()
    };
    let request = r#"request{method=GET path="/now/7""#;
    assert!(of("looking now")[0].contains(request), "{lines:#?}");
    let all = lines.join("\n");
    assert!(!all.contains("secret=1"), "{all}");

    let answered = of("answered");
    let has = |line: &str, parts: &[&str]| {
        for part in parts {
            assert!(line.contains(part), "{part} in {line}");
        }
    };
    has(
        answered[0],
        &[
            "DEBUG",
            request,
            r#"id="id-1""#,
            r#"route="/now/{n}""#,
            r#"user="ann""#,
            "status=200",
            "duration_ms=0",
        ],
    );
    has(of("looked")[0], &[r#"path="/later""#]);
    has(
        answered[1],
        &[r#"route="/later""#, "status=200", "duration_ms=1500"],
    );
    has(answered[2], &["ERROR", r#"path="/broken""#, "status=502"]);
    has(answered[3], &[r#"path="/later""#, "status=499"]);
}
