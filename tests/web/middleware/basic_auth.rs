//! Basic authentication: what comes through, and how often one may try.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use deferred::{Failure, Trigger};
use reactor_web::App;
use reactor_web::middleware::{AccessLog, BasicAuth, Credentials};
use reactor_web::testing::{TestAnswer, TestClient};

use crate::support::client;

const SECOND: Duration = Duration::from_secs(1);

fn vault(auth: BasicAuth) -> TestClient {
    let app = App::new()
        .get("/", |req| {
            format!("hello, {}", req.user().unwrap_or("stranger"))
        })
        .wrap(auth);
    client(app)
}

fn ann() -> BasicAuth {
    BasicAuth::new("the \"vault\"", |login| Ok(login.matches("ann", "se:cret")))
}

fn get(client: &TestClient, authorization: &str) -> TestAnswer {
    client.get_with("/", &[("authorization", authorization)])
}

/// `ann:se:cret` and `ann:wrong`.
const RIGHT: &str = "Basic YW5uOnNlOmNyZXQ=";
const WRONG: &str = "basic YW5uOndyb25n";

#[test]
fn a_right_name_and_password_come_through() {
    let client = vault(ann());
    assert_eq!(get(&client, RIGHT).text(), "hello, ann");
    // Wrong, of another scheme, no base64, no UTF-8, no colon, empty, and none.
    for authorization in [
        WRONG,
        "Bearer x",
        "Basic %",
        "Basic /w==",
        "Basic YW5u",
        "Basic ",
        "Basic",
    ] {
        let answer = get(&client, authorization);
        assert_eq!(answer.status(), 401, "{authorization}");
        let challenge = "Basic realm=\"the \\\"vault\\\"\", charset=\"UTF-8\"";
        assert_eq!(answer.header("www-authenticate"), Some(challenge));
    }
    assert_eq!(client.get("/").status(), 401);
}

#[test]
fn a_check_may_take_its_time_and_may_fail() {
    let waiting: Rc<RefCell<Option<Trigger<bool>>>> = Rc::default();
    let slot = Rc::clone(&waiting);
    let auth = BasicAuth::new("vault", move |_: Credentials| {
        let (trigger, found) = deferred::Deferred::pair();
        *slot.borrow_mut() = Some(trigger);
        found
    });
    let client = vault(auth);
    let start = || {
        let request = http::Request::get("/").header("authorization", RIGHT);
        client.start(request.body(reactor_web::Body::empty()).unwrap())
    };
    let pending = start();
    assert!(pending.is_pending());
    waiting.take().unwrap().callback(true).unwrap();
    assert_eq!(pending.answer().text(), "hello, ann");

    let pending = start();
    waiting.take().unwrap().callback(false).unwrap();
    assert_eq!(pending.answer().status(), 401);

    let pending = start();
    waiting
        .take()
        .unwrap()
        .errback(Failure::msg("no database"))
        .unwrap();
    assert_eq!(pending.answer().status(), 500);

    drop(start());
    assert!(
        waiting.take().unwrap().is_fired(),
        "it was cancelled with its client"
    );

    let client = vault(BasicAuth::new("vault", |_| -> deferred::Result<bool> {
        panic!("no")
    }));
    assert_eq!(get(&client, RIGHT).status(), 500);
}

#[test]
fn a_client_that_fails_too_often_has_to_wait() {
    let failed: Rc<RefCell<Vec<String>>> = Rc::default();
    let log = Rc::clone(&failed);
    let auth = ann()
        .failure_limit(3, SECOND * 30)
        .on_failure(move |attempt| {
            let peer = attempt.peer.as_inet().unwrap().ip();
            log.borrow_mut()
                .push(format!("{} from {peer}", attempt.user));
        });
    let client = vault(auth);
    for _ in 0..10 {
        assert_eq!(get(&client, RIGHT).status(), 200);
        assert_eq!(client.get("/").status(), 401, "a question is no failure");
    }
    for _ in 0..3 {
        assert_eq!(get(&client, WRONG).status(), 401);
    }
    let refused = get(&client, RIGHT);
    assert_eq!(
        (refused.status().as_u16(), refused.header("retry-after")),
        (429, Some("10"))
    );
    assert_eq!(*failed.borrow(), ["ann from 127.0.0.1"; 3]);
    client.advance(SECOND * 10);
    assert_eq!(get(&client, RIGHT).status(), 200);
    assert_eq!(get(&client, WRONG).status(), 401);
    assert_eq!(get(&client, RIGHT).status(), 429);
}

#[test]
fn ten_failures_in_a_minute_are_the_default() {
    let client = vault(ann());
    for _ in 0..10 {
        assert_eq!(get(&client, WRONG).status(), 401);
    }
    assert_eq!(get(&client, WRONG).status(), 429);
    client.advance(SECOND * 6);
    assert_eq!(get(&client, RIGHT).status(), 200);
}

#[test]
fn attempts_at_once_are_paid_for_afterwards() {
    let waiting: Rc<RefCell<Vec<Trigger<bool>>>> = Rc::default();
    let slot = Rc::clone(&waiting);
    let auth = BasicAuth::new("vault", move |_| {
        let (trigger, found) = deferred::Deferred::pair();
        slot.borrow_mut().push(trigger);
        found
    });
    let client = vault(auth.failure_limit(2, SECOND * 2));
    let start = || {
        let request = http::Request::get("/").header("authorization", WRONG);
        client.start(request.body(reactor_web::Body::empty()).unwrap())
    };
    let attempts: Vec<_> = (0..5).map(|_| start()).collect();
    for trigger in waiting.take() {
        trigger.callback(false).unwrap();
    }
    for attempt in attempts {
        assert_eq!(attempt.answer().status(), 401);
    }
    let refused = get(&client, RIGHT);
    assert_eq!(
        (refused.status().as_u16(), refused.header("retry-after")),
        (429, Some("4"))
    );
}

#[test]
fn the_user_is_in_the_log() {
    let lines: Rc<RefCell<Vec<String>>> = Rc::default();
    let log = Rc::clone(&lines);
    let app = App::new()
        .get("/", |_| "hello")
        .wrap(ann())
        .wrap(AccessLog::common().sink(move |line| log.borrow_mut().push(line.to_owned())));
    let client = client(app);
    get(&client, RIGHT);
    get(&client, WRONG);
    assert!(
        lines.borrow()[0].starts_with("127.0.0.1 - ann ["),
        "{lines:?}"
    );
    assert!(
        lines.borrow()[1].starts_with("127.0.0.1 - - ["),
        "{lines:?}"
    );
}

#[test]
fn a_realm_that_would_be_two_headers_is_an_error() {
    let auth = BasicAuth::new("a\r\nb", |_| Ok(true));
    App::new()
        .wrap(auth)
        .into_site()
        .expect_err("it is two lines");
}
