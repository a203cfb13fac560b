//! Where middleware stands, and what it sees.

use std::cell::RefCell;
use std::rc::Rc;

use deferred::{Failure, sleep};
use http::{HeaderValue, Method, StatusCode};
use reactor_web::{Answer, App, Body, HttpError, IntoResponse, Middleware, Next, Request};

use crate::support::client;

type Seen = Rc<RefCell<Vec<String>>>;

/// Notes each request and each answer.
struct Noting(&'static str, Seen);

impl Middleware for Noting {
    fn handle(&self, request: Request, next: Next) -> Answer {
        let (name, seen) = (self.0, Rc::clone(&self.1));
        seen.borrow_mut().push(format!("{name} {}", request.path()));
        next.respond(request).map_response(move |response| {
            let status = response.status().as_u16();
            seen.borrow_mut().push(format!("{name} {status}"));
        })
    }
}

fn noting(name: &'static str, seen: &Seen) -> Noting {
    Noting(name, Rc::clone(seen))
}

#[test]
fn it_stands_around_an_app_a_mount_and_routes() {
    let seen = Seen::default();
    let inner = App::new().get("/x", |_| "x").wrap(noting("inner", &seen));
    let app = App::new()
        .mount("/inner", inner)
        .get("/alone", |_| "alone")
        .group(noting("group", &seen), |app| {
            app.get("/one", |_| "one").post("/two", |_| "two")
        })
        .wrap(noting("first", &seen))
        .wrap(noting("last", &seen));
    let client = client(app);
    let check = |target: &str, expected: &[&str]| {
        client.get(target);
        assert_eq!(seen.take(), expected, "{target}");
    };
    check(
        "/alone",
        &["last /alone", "first /alone", "first 200", "last 200"],
    );
    check(
        "/inner/x",
        &[
            "last /inner/x",
            "first /inner/x",
            "inner /inner/x",
            "inner 200",
            "first 200",
            "last 200",
        ],
    );
    check(
        "/inner/y",
        &[
            "last /inner/y",
            "first /inner/y",
            "inner /inner/y",
            "inner 404",
            "first 404",
            "last 404",
        ],
    );
    check(
        "/one",
        &[
            "last /one",
            "first /one",
            "group /one",
            "group 200",
            "first 200",
            "last 200",
        ],
    );
    check(
        "/two",
        &["last /two", "first /two", "first 405", "last 405"],
    );
    check(
        "/none",
        &["last /none", "first /none", "first 404", "last 404"],
    );
}

#[test]
fn a_group_knows_its_route_and_wraps_within_it_stand_inside() {
    let seen = Seen::default();
    let (log, within) = (Rc::clone(&seen), Rc::clone(&seen));
    let around = move |req: Request, next: Next| {
        let id = req.param("id").unwrap_or("none");
        log.borrow_mut().push(format!("{:?} {id}", req.route()));
        next.run(req)
    };
    let app = App::new().group(around, |app| {
        app.get("/items/{id}", |_| "an item")
            .wrap(noting("within", &within))
    });
    assert_eq!(client(app).get("/items/7").text(), "an item");
    assert_eq!(
        seen.take(),
        ["Some(\"/items/{id}\") 7", "within /items/7", "within 200"]
    );
}

#[test]
fn it_sees_failures_as_they_are_or_as_pages() {
    #[derive(Debug)]
    struct Own;
    impl std::fmt::Display for Own {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("own")
        }
    }
    impl std::error::Error for Own {}

    let app = App::new()
        .get("/own", |_| Err::<(), _>(Failure::new(Own)))
        .get("/gone", |_| HttpError::new(StatusCode::GONE))
        .get("/panic", |_| -> &'static str { panic!("no") })
        .error_page(|error| format!("page of {}", error.status().as_u16()))
        .wrap(|req: Request, next: Next| {
            next.run(req).map(|result| match result {
                Err(failure) if failure.is::<Own>() => "mended".into_response(),
                result => result,
            })
        })
        .wrap(|req: Request, next: Next| {
            next.respond(req).map_response(|response| {
                response
                    .headers_mut()
                    .insert("x-seen", HeaderValue::from_static("yes"));
            })
        });
    let client = client(app);
    for (path, status, text) in [
        ("/own", 200, "mended"),
        ("/gone", 410, "page of 410"),
        ("/panic", 500, "page of 500"),
        ("/nowhere", 404, "page of 404"),
    ] {
        let answer = client.get(path);
        assert_eq!(
            (answer.status().as_u16(), answer.text()),
            (status, text),
            "{path}"
        );
        assert_eq!(answer.header("x-seen"), Some("yes"), "{path}");
    }
}

#[test]
fn a_middleware_that_panics_answers_with_500() {
    let app = App::new()
        .get("/", |_| "hello")
        .wrap(|_: Request, _: Next| -> Answer { panic!("no") })
        .wrap(|req: Request, next: Next| {
            next.respond(req).map_response(|response| {
                response
                    .headers_mut()
                    .insert("x-seen", HeaderValue::from_static("yes"));
            })
        });
    let answer = client(app).get("/");
    assert_eq!(
        (answer.status().as_u16(), answer.header("x-seen")),
        (500, Some("yes"))
    );
}

#[test]
fn a_middleware_that_cannot_work_keeps_the_app_from_being_served() {
    struct Broken;
    impl Middleware for Broken {
        fn handle(&self, request: Request, next: Next) -> Answer {
            next.run(request)
        }

        fn prepare(&self) -> deferred::Result<()> {
            Err(Failure::msg("broken"))
        }
    }
    let apps = [
        App::new().wrap(Broken),
        App::new().group(Broken, |app| app.get("/", |_| "hello")),
        App::new().mount("/x", App::new().wrap(Rc::new(Broken))),
    ];
    for app in apps {
        let failure = app.into_site().expect_err("it is broken");
        assert!(failure.to_string().contains("broken"), "{failure}");
    }
}

#[test]
fn it_may_be_async_and_is_cancelled_with_its_client() {
    let seen = Seen::default();
    let log = Rc::clone(&seen);
    async fn slow(req: Request, next: Next) -> deferred::Result<reactor_web::Response> {
        sleep(req.reactor(), std::time::Duration::from_secs(1)).await?;
        next.run(req).await
    }
    let app = App::new()
        .get("/", move |_| {
            log.borrow_mut().push("called".to_owned());
            "hello"
        })
        .wrap(slow)
        .wrap(|req: Request, next: Next| next.respond(req));
    let client = client(app);
    let answer = client.start_get("/");
    assert!(answer.is_pending());
    drop(answer);
    client.advance(std::time::Duration::from_secs(2));
    assert_eq!(seen.take(), Vec::<String>::new(), "its client is gone");
    let answer = client.start_get("/");
    client.advance(std::time::Duration::from_secs(1));
    assert_eq!(answer.answer().text(), "hello");
}

#[test]
fn what_is_found_out_of_a_request_is_there_with_its_answer() {
    let seen = Seen::default();
    let log = Rc::clone(&seen);
    let items = App::new().get("/", |_| "all").get("/{id}", |_| "one");
    let app = App::new()
        .mount("/shop/items", items)
        .get("/me", |req| req.user().map(str::to_owned))
        .wrap(|mut req: Request, next: Next| {
            req.set_user("ann");
            req.set_user("bob");
            next.run(req)
        })
        .wrap(move |mut req: Request, next: Next| {
            let (observed, log) = (req.observe(), Rc::clone(&log));
            assert_eq!((observed.route(), observed.user()), (None, None));
            next.respond(req).map_response(move |_| {
                log.borrow_mut()
                    .push(format!("{:?} {:?}", observed.route(), observed.user()));
            })
        });
    let client = client(app);
    assert_eq!(client.get("/me").text(), "ann");
    client.get("/shop/items");
    client.get("/shop/items/7");
    client.get("/nowhere");
    assert_eq!(
        seen.take(),
        [
            "Some(\"/me\") Some(\"ann\")",
            "Some(\"/shop/items/\") Some(\"ann\")",
            "Some(\"/shop/items/{id}\") Some(\"ann\")",
            "None Some(\"ann\")",
        ]
    );
}

#[test]
fn the_request_is_the_handlers_alone() {
    // An answer without `next`, which is dropped with the handler below it.
    let app = App::new()
        .post("/", |_| "never")
        .wrap(|_: Request, _: Next| StatusCode::IM_A_TEAPOT);
    let answer = client(app).send(Method::POST, "/", &[], Body::from("hello"));
    assert_eq!(answer.status(), 418);
}
