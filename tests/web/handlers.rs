//! What handlers may be, and return.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use deferred::{Deferred, Failure, State, Trigger, defer_later, sleep};
use http::StatusCode;
use reactor_web::{
    Answer, App, Body, ClientGone, Handler, Html, Json, Redirect, Request, Response,
};

use crate::support::client;

#[test]
fn a_handler_returns_a_value_a_result_a_deferred_or_a_future() {
    let app = App::new()
        .get("/text", |_| "text")
        .get("/string", |req| req.path().to_owned())
        .get("/result", |req| {
            Ok(format!("{}", req.query_value::<u8>("n")?.unwrap_or(7)))
        })
        .get("/deferred", |req| {
            defer_later(req.reactor(), Duration::ZERO, || Ok("deferred"))
        })
        .get("/ready", |_| deferred::succeed("ready"))
        .get("/callback", |req| {
            sleep(req.reactor(), Duration::ZERO).add_callback(|()| Ok("callback".to_owned()))
        })
        .get("/block", |_| async { "block" })
        .get("/async", async |req: Request| {
            sleep(req.reactor(), Duration::ZERO).await?;
            Ok("async")
        })
        .get("/answer", |_| Answer::now("answer"))
        .get("/response", |_| Response::new(Body::from("response")))
        .get("/nothing", |_| {})
        .get("/status", |_| StatusCode::IM_A_TEAPOT)
        .get("/option", |req| {
            req.query_value::<String>("x").ok().flatten()
        });
    let client = client(app);
    for (path, status, text) in [
        ("/text", 200, "text"),
        ("/string", 200, "/string"),
        ("/result", 200, "7"),
        ("/deferred", 200, "deferred"),
        ("/ready", 200, "ready"),
        ("/callback", 200, "callback"),
        ("/block", 200, "block"),
        ("/async", 200, "async"),
        ("/answer", 200, "answer"),
        ("/response", 200, "response"),
        ("/nothing", 204, ""),
        ("/status", 418, "I'm a teapot"),
        ("/option?x=some", 200, "some"),
    ] {
        let answer = client.get(path);
        assert_eq!(
            (answer.status().as_u16(), answer.text()),
            (status, text),
            "{path}"
        );
    }
    assert_eq!(client.get("/option").status(), 404);
    assert_eq!(client.get("/result?n=many").status(), 400);
}

#[test]
fn a_function_is_a_handler() {
    fn plain(_: Request) -> &'static str {
        "plain"
    }
    async fn later(req: Request) -> deferred::Result<Html<String>> {
        sleep(req.reactor(), Duration::ZERO).await?;
        Ok(Html("<p>later".to_owned()))
    }
    let client = client(App::new().get("/plain", plain).get("/later", later));
    assert_eq!(client.get("/plain").text(), "plain");
    let answer = client.get("/later");
    assert_eq!(answer.text(), "<p>later");
    assert_eq!(
        answer.header("content-type"),
        Some("text/html; charset=utf-8")
    );
}

#[test]
fn handlers_share_state_by_an_rc() {
    let visits = Rc::new(Cell::new(0));
    let count = Rc::clone(&visits);
    let later = Rc::clone(&visits);
    let app = App::new()
        .get("/count", move |_| {
            count.set(count.get() + 1);
            count.get().to_string()
        })
        .get("/later", move |_| {
            let visits = Rc::clone(&later);
            async move { visits.get().to_string() }
        });
    let client = client(app);
    assert_eq!(client.get("/count").text(), "1");
    assert_eq!(client.get("/count").text(), "2");
    assert_eq!(client.get("/later").text(), "2");
    assert_eq!(visits.get(), 2);
}

#[test]
fn a_type_is_a_handler() {
    struct Greeter(&'static str);
    impl Handler for Greeter {
        fn handle(&self, request: Request) -> Answer {
            Answer::now(format!("{}{}", self.0, request.rest()))
        }
    }
    let client = client(App::new().mount("/hello", Greeter("hello ")));
    assert_eq!(client.get("/hello/world").text(), "hello /world");
    assert_eq!(client.get("/hello").text(), "hello ");
}

#[test]
fn a_pending_deferred_is_cancelled_when_the_client_goes() {
    type Waiting = Rc<RefCell<Vec<Trigger<&'static str>>>>;
    let waiting = Waiting::default();
    let (direct, inside) = (Rc::clone(&waiting), Rc::clone(&waiting));
    let app = App::new()
        .get("/direct", move |_| {
            let (trigger, deferred) = Deferred::pair();
            direct.borrow_mut().push(trigger);
            deferred
        })
        .get("/inside", move |_| {
            let (trigger, deferred) = Deferred::pair();
            inside.borrow_mut().push(trigger);
            async move { Ok(deferred.await?.to_owned()) }
        });
    let client = client(app);
    for path in ["/direct", "/inside"] {
        let pending = client.start_get(path);
        assert!(pending.is_pending());
        drop(pending);
        let trigger = waiting.borrow_mut().pop().expect("the handler was called");
        assert!(trigger.is_fired(), "{path}: it was cancelled");
    }
}

#[test]
fn notify_finish_fires_at_the_end_and_fails_if_the_client_goes() {
    let ends: Rc<RefCell<Vec<bool>>> = Rc::default();
    let log = Rc::clone(&ends);
    let app = App::new().get("/{delay}", move |req| {
        let log = Rc::clone(&log);
        req.notify_finish()
            .add_both(move |finished| log.borrow_mut().push(finished.is_ok()))
            .ignore();
        let delay = Duration::from_secs(req.param_as("delay")?);
        Ok(Answer::later(
            sleep(req.reactor(), delay).add_callback(|()| Ok("done")),
        ))
    });
    let client = client(app);
    client.get("/0");
    assert_eq!(*ends.borrow(), [true]);
    let pending = client.start_get("/10");
    assert!(pending.is_pending());
    assert_eq!(ends.borrow().len(), 1);
    drop(pending);
    assert_eq!(*ends.borrow(), [true, false]);
    client.reactor().shut_down();
}

#[test]
fn what_is_asked_for_after_the_end_fires_at_once() {
    let kept: Rc<RefCell<Vec<Request>>> = Rc::default();
    let keeping = Rc::clone(&kept);
    let app = App::new().get("/{delay}", move |req: Request| {
        let delay = Duration::from_secs(req.param_as("delay")?);
        let slept = sleep(req.reactor(), delay).add_callback(|()| Ok("done"));
        keeping.borrow_mut().push(req);
        Ok(Answer::later(slept))
    });
    let client = client(app);
    client.get("/0");
    drop(client.start_get("/10"));
    // One connection, two requests: the first is over, and the second is not.
    let peer = client.connect();
    peer.send("GET /0 HTTP/1.1\r\nhost: x\r\n\r\n");
    peer.send("GET /10 HTTP/1.1\r\nhost: x\r\n\r\n");
    let requests = kept.take();
    let finished = |index: usize| requests[index].notify_finish();
    finished(0).into_result().expect("at once").expect("it was");
    let gone = finished(1).into_result().expect("at once");
    assert!(gone.expect_err("the client is gone").is::<ClientGone>());
    finished(2).into_result().expect("at once").expect("it was");
    let running = finished(3);
    assert_eq!(running.state(), State::Unfired);
    for request in &requests[..3] {
        let stopped = request.notify_stop().into_result().expect("at once");
        assert!(stopped.expect_err("it is over").is::<ClientGone>());
    }
    let stopped = requests[3].notify_stop();
    assert_eq!(stopped.state(), State::Unfired);
    client.advance(Duration::from_secs(10));
    client.reactor().result_of(running).expect("it is answered");
    client.reactor().result_of(stopped).expect_err("it is over");
    finished(3).into_result().expect("at once").expect("it was");
    peer.close();
}

#[test]
fn values_set_type_status_and_headers() {
    let app = App::new()
        .get("/json", |_| Json(vec![1, 2]))
        .get("/bytes", |_| vec![1_u8, 2])
        .get("/created", |_| (StatusCode::CREATED, "made"))
        .get("/headers", |_| {
            ([("x-one", "1"), ("content-type", "text/x")], "body")
        })
        .get("/bad", |_| ([("x-one", "1\r\nx-two: 2")], "body"))
        .get("/see", |_| Redirect::see_other("/there"))
        .get("/split", |_| Redirect::see_other("/there\r\nx: y"));
    let client = client(app);
    assert_eq!(
        client.get("/json").header("content-type"),
        Some("application/json")
    );
    let octets = Some("application/octet-stream");
    assert_eq!(client.get("/bytes").header("content-type"), octets);
    assert_eq!(client.get("/created").status(), 201);
    let answer = client.get("/headers");
    assert_eq!(answer.header("x-one"), Some("1"));
    assert_eq!(answer.header("content-type"), Some("text/x"));
    assert_eq!(client.get("/see").status(), 303);
    // No header is made of what came with a line break.
    assert_eq!(client.get("/bad").status(), 500);
    assert_eq!(client.get("/split").status(), 500);
}

#[test]
fn a_failure_of_an_inner_deferred_is_that_of_the_answer() {
    let app = App::new().get("/", |req| {
        sleep(req.reactor(), Duration::ZERO)
            .add_callback(|()| Err::<&str, _>(Failure::msg("it broke")))
    });
    assert_eq!(client(app).get("/").status(), 500);
}
