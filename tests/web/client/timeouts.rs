//! Each step of a request has its time.

use deferred::Failure;
use http::Method;
use reactor::testing::TestReactor;
use reactor_web::client::{ClientError, ClientResponse, Step};
use reactor_web::{Body, Client};

use super::scripted::Script;
use super::secs;

const URL: &str = "http://127.0.0.1/";

/// The step that has taken too long.
#[track_caller]
fn step(failure: &Failure) -> Step {
    match failure.check() {
        Some(ClientError::TimedOut { step, .. }) => *step,
        _ => panic!("another failure: {failure:?}"),
    }
}

fn client(reactor: &TestReactor) -> Client {
    Client::builder()
        .connect_timeout(secs(10))
        .head_timeout(secs(20))
        .read_timeout(secs(5))
        .build(reactor)
}

#[test]
fn connecting_takes_no_longer_than_its_time() {
    let reactor = TestReactor::new();
    reactor.do_not_answer("192.0.2.1:80".parse().expect("an address"));
    let asked = client(&reactor).get("http://192.0.2.1/");
    reactor.advance(secs(9));
    reactor.advance(secs(1));
    let failure = reactor.result_of(asked).expect_err("nothing answers");
    assert_eq!(step(&failure), Step::Connect);
    assert!(reactor.leftovers().is_empty(), "{}", reactor.leftovers());
}

#[test]
fn the_head_takes_no_longer_than_its_time() {
    let reactor = TestReactor::new();
    let script = Script::serve(&reactor, &["HTTP/1.1 200 OK\r\n"]);
    let asked = client(&reactor).get(URL);
    reactor.advance(secs(19));
    assert_eq!(script.lost.get(), 0);
    reactor.advance(secs(1));
    assert_eq!(script.lost.get(), 1);
    assert_eq!(
        step(&reactor.result_of(asked).expect_err("half a head")),
        Step::Head
    );
}

#[test]
fn each_piece_of_the_content_has_its_time() {
    let reactor = TestReactor::new();
    let script = Script::serve(&reactor, &["HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"]);
    let asked = client(&reactor).get(URL).add_callback(ClientResponse::text);
    reactor.settle();
    for _ in 0..5 {
        reactor.advance(secs(4));
        script.send("x");
        reactor.settle();
    }
    reactor.advance(secs(5));
    assert_eq!(script.lost.get(), 1);
    assert_eq!(
        step(&reactor.result_of(asked).expect_err("5 of 9")),
        Step::Read
    );
}

#[test]
fn a_program_that_does_not_read_is_not_timed() {
    let reactor = TestReactor::new();
    let script = Script::serve(&reactor, &["HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nx"]);
    let response = reactor
        .result_of(client(&reactor).get(URL))
        .expect("a head");
    reactor.advance(secs(1000));
    let text = response.text();
    reactor.settle();
    reactor.advance(secs(4));
    script.send("y");
    assert_eq!(reactor.result_of(text).expect("the content"), "xy");
}

#[test]
fn all_of_it_takes_no_longer_than_its_time() {
    let reactor = TestReactor::new();
    let script = Script::serve(&reactor, &["HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n"]);
    let asked = client(&reactor)
        .request(Method::GET, URL)
        .timeout(secs(30))
        .send()
        .add_callback(ClientResponse::text);
    reactor.settle();
    for _ in 0..9 {
        reactor.advance(secs(3));
        script.send("x");
        reactor.settle();
    }
    assert_eq!(script.lost.get(), 0);
    reactor.advance(secs(3));
    assert_eq!(
        step(&reactor.result_of(asked).expect_err("too slow")),
        Step::Whole
    );
    assert_eq!(script.lost.get(), 1);
}

#[test]
fn the_time_for_all_counts_in_the_queue() {
    let reactor = TestReactor::new();
    let script = Script::serve(&reactor, &[]);
    let client = Client::builder()
        .in_flight_per_origin(1)
        .timeout(secs(15))
        .head_timeout(secs(1000))
        .build(&reactor);
    let first = client.get(URL);
    let second = client.get(URL);
    reactor.settle();
    assert_eq!(script.made(), 1);
    reactor.advance(secs(15));
    for asked in [first, second] {
        let failure = reactor.result_of(asked).expect_err("too slow");
        assert_eq!(step(&failure), Step::Whole);
    }
}

#[test]
fn an_answer_that_is_held_ends_with_the_time_for_all() {
    let reactor = TestReactor::new();
    Script::serve(&reactor, &["HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nx"]);
    let client = Client::builder().timeout(secs(10)).build(&reactor);
    let response = reactor.result_of(client.get(URL)).expect("a head");
    reactor.advance(secs(10));
    let failure = reactor.result_of(response.text()).expect_err("too late");
    assert_eq!(step(&failure), Step::Whole);
}

#[test]
fn a_source_that_is_slow_is_not_timed_and_a_server_that_takes_nothing_is() {
    let reactor = TestReactor::new();
    let script = Script::serve(&reactor, &[]);
    let (writer, body) = Body::channel();
    let asked = client(&reactor).post(URL, body);
    reactor.settle();
    reactor.advance(secs(100));
    writer.write("late").ignore();
    reactor.settle();
    assert!(script.take().ends_with("late\r\n"));
    reactor.advance(secs(100));
    let connection = script.connections.borrow()[0].clone();
    connection.pause_reading().expect("it is open");
    for _ in 0..100 {
        writer.write(vec![b'x'; 10_000]).ignore();
    }
    reactor.settle();
    reactor.advance(secs(20));
    assert_eq!(
        step(&reactor.result_of(asked).expect_err("it is stuck")),
        Step::Head
    );
    assert!(writer.is_gone());
}

#[test]
fn the_shortest_time_wins_in_whatever_order_they_are() {
    let reactor = TestReactor::new();
    Script::serve(&reactor, &["HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nx"]);
    let client = Client::builder()
        .timeout(secs(1000))
        .head_timeout(secs(500))
        .read_timeout(secs(1))
        .build(&reactor);
    let text = client.get(URL).add_callback(ClientResponse::text);
    reactor.settle();
    reactor.advance(secs(1));
    assert_eq!(
        step(&reactor.result_of(text).expect_err("too slow")),
        Step::Read
    );
}
