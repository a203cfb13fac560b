//! Random requests, right and wrong ones, pipelined and cut anywhere, compared with a model that is
//! as simple as can be.
//!
//! `PROPTEST_CASES` says how many connections are tried, with four requests each on average.

use std::env;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use reactor_web::App;
use reactor_web::testing::TestClient;

use crate::support::client;

/// A request as it is sent.
#[derive(Clone, Debug)]
struct Shape {
    method: &'static str,
    target: String,
    version: &'static str,
    hosts: usize,
    body: Framing,
    connection: Option<&'static str>,
    flaw: Option<Flaw>,
}

/// How the body is sent.
#[derive(Clone, Debug)]
enum Framing {
    None,
    Length(String),
    Chunks(Vec<String>),
}

/// What is wrong with a head.
#[derive(Clone, Copy, Debug)]
enum Flaw {
    SpaceBeforeColon,
    NoColon,
    Folded,
    NulInValue,
    LengthWithPlus,
    LengthsThatDiffer,
    UnknownCoding,
    SpaceInTarget,
}

/// A status, a body, and whether the connection goes on.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    status: u16,
    body: Option<String>,
    is_open: bool,
}

impl Shape {
    fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{} {} {}\r\n", self.method, self.target, self.version);
        if let Some(Flaw::SpaceInTarget) = self.flaw {
            text = format!("{} {} x {}\r\n", self.method, self.target, self.version);
        }
        for _ in 0..self.hosts {
            text += "host: example.org\r\n";
        }
        if let Some(connection) = self.connection {
            text += &format!("connection: {connection}\r\n");
        }
        text += match self.flaw {
            Some(Flaw::SpaceBeforeColon) => "x-flaw : 1\r\n",
            Some(Flaw::NoColon) => "flaw\r\n",
            Some(Flaw::Folded) => "x-flaw: 1\r\n 2\r\n",
            Some(Flaw::NulInValue) => "x-flaw: \0\r\n",
            Some(Flaw::LengthWithPlus) => "content-length: +0\r\n",
            Some(Flaw::LengthsThatDiffer) => "content-length: 0\r\ncontent-length: 1\r\n",
            Some(Flaw::UnknownCoding) => "transfer-encoding: gzip\r\n",
            Some(Flaw::SpaceInTarget) | None => "",
        };
        match &self.body {
            Framing::None => text += "\r\n",
            Framing::Length(body) => {
                text += &format!("content-length: {}\r\n\r\n{body}", body.len());
            }
            Framing::Chunks(chunks) => {
                text += "transfer-encoding: chunked\r\n\r\n";
                for chunk in chunks {
                    text += &format!("{:x}\r\n{chunk}\r\n", chunk.len());
                }
                text += "0\r\n\r\n";
            }
        }
        text.into_bytes()
    }

    fn content(&self) -> String {
        match &self.body {
            Framing::None => String::new(),
            Framing::Length(body) => body.clone(),
            Framing::Chunks(chunks) => chunks.concat(),
        }
    }
}

fn app() -> App {
    App::new()
        .get("/", |_| "index")
        .get("/square/{n}", |req| {
            let n: u32 = req.param_as("n")?;
            Ok((n * n).to_string())
        })
        .get("/query", |req| {
            Ok(req
                .query_value::<String>("q")?
                .unwrap_or_else(|| "none".to_owned()))
        })
        .any("/echo", async |req: reactor_web::Request| {
            let method = req.method().clone();
            let body = req.bytes().await?;
            Ok(format!("{method} {}", String::from_utf8(body.into())?))
        })
}

/// What is to come back.
fn expected(shape: &Shape) -> Outcome {
    let refused = |status| Outcome {
        status,
        body: None,
        is_open: false,
    };
    let is_old = shape.version == "HTTP/1.0";
    if shape.flaw.is_some() || (is_old && matches!(shape.body, Framing::Chunks(_))) {
        return refused(400);
    }
    if shape.hosts > 1 || (shape.hosts == 0 && !is_old) {
        return refused(400);
    }
    let (path, query) = shape.target.split_once('?').unwrap_or((&shape.target, ""));
    let is_read = matches!(shape.method, "GET" | "HEAD");
    let page = |text: String| {
        if is_read {
            (200, Some(text))
        } else {
            (405, None)
        }
    };
    let (status, body) = match path {
        "/echo" => (200, Some(format!("{} {}", shape.method, shape.content()))),
        _ if shape.method == "OPTIONS"
            && (path == "/" || path == "/query" || path.starts_with("/square/")) =>
        {
            (204, Some(String::new()))
        }
        "/" => page("index".to_owned()),
        "/query" => page(query.strip_prefix("q=").unwrap_or("none").to_owned()),
        _ => match path.strip_prefix("/square/") {
            Some(n) if is_read => match n.parse::<u32>() {
                Ok(n) => (200, Some((n * n).to_string())),
                Err(_) => (400, None),
            },
            Some(_) => (405, None),
            None => (404, None),
        },
    };
    let is_open = match shape.connection {
        Some("close") => false,
        Some("keep-alive") => true,
        _ => !is_old,
    };
    Outcome {
        status,
        body: body.map(|text| {
            if shape.method == "HEAD" {
                String::new()
            } else {
                text
            }
        }),
        is_open,
    }
}

/// Reads answers to `shapes` out of what was received.
fn answers(shapes: &[Shape], received: &[u8], is_closed: bool) -> Vec<Outcome> {
    let mut rest = received;
    let mut outcomes = Vec::new();
    while !rest.is_empty() {
        let method = shapes
            .get(outcomes.len())
            .map_or("GET", |shape| shape.method);
        let end = rest
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .expect("a whole head");
        let head = String::from_utf8(rest[..end].to_vec()).expect("a head is text");
        let status: u16 = head[9..12].parse().expect("a status");
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map_or(0, |length| length.parse().expect("a length"));
        let length = if method == "HEAD" || status == 204 {
            0
        } else {
            length
        };
        let body = &rest[end + 4..][..length];
        rest = &rest[end + 4 + length..];
        let is_known = matches!(status, 200 | 204);
        outcomes.push(Outcome {
            status,
            body: is_known.then(|| String::from_utf8(body.to_vec()).expect("a body is text")),
            is_open: true,
        });
    }
    if let Some(last) = outcomes.last_mut() {
        last.is_open = !is_closed;
    }
    outcomes
}

fn shape() -> impl Strategy<Value = Shape> {
    let method = prop_oneof![
        6 => Just("GET"), 2 => Just("HEAD"), 3 => Just("POST"), 1 => Just("PUT"),
        1 => Just("DELETE"), 1 => Just("OPTIONS"), 1 => Just("BREW"),
    ];
    let target = prop_oneof![
        Just("/".to_owned()),
        Just("/echo".to_owned()),
        Just("/echo".to_owned()),
        (0..2000_u32).prop_map(|n| format!("/square/{n}")),
        Just("/square/many".to_owned()),
        "[a-z]{0,5}".prop_map(|q| format!("/query?q={q}")),
        Just("/query".to_owned()),
        "/nowhere/[a-z]{0,8}",
    ];
    let version = prop_oneof![5 => Just("HTTP/1.1"), 1 => Just("HTTP/1.0")];
    let hosts = prop_oneof![12 => Just(1_usize), 1 => Just(0), 1 => Just(2)];
    let body = prop_oneof![
        3 => Just(Framing::None),
        2 => "[a-z]{0,40}".prop_map(Framing::Length),
        2 => vec("[a-z]{1,20}", 0..4).prop_map(Framing::Chunks),
    ];
    let connection =
        prop_oneof![6 => Just(None), 1 => Just(Some("close")), 1 => Just(Some("keep-alive"))];
    let flaw = prop_oneof![
        20 => Just(None),
        1 => prop_oneof![
            Just(Flaw::SpaceBeforeColon), Just(Flaw::NoColon), Just(Flaw::Folded),
            Just(Flaw::NulInValue), Just(Flaw::LengthWithPlus), Just(Flaw::LengthsThatDiffer),
            Just(Flaw::UnknownCoding), Just(Flaw::SpaceInTarget),
        ].prop_map(Some),
    ];
    (method, target, version, hosts, body, connection, flaw).prop_map(
        |(method, target, version, hosts, body, connection, flaw)| {
            // A body that no handler reads may end the connection, depending on what has come of it.
            let body = if target == "/echo" && flaw.is_none() {
                body
            } else {
                Framing::None
            };
            Shape {
                method,
                target,
                version,
                hosts,
                body,
                connection,
                flaw,
            }
        },
    )
}

fn compare(client: &TestClient, shapes: &[Shape], read_size: usize) -> Result<(), TestCaseError> {
    let mut wanted = Vec::new();
    for shape in shapes {
        let outcome = expected(shape);
        let is_open = outcome.is_open;
        wanted.push(outcome);
        if !is_open {
            break;
        }
    }
    client.reactor().set_largest_read(read_size);
    let peer = client.connect();
    let bytes: Vec<u8> = shapes.iter().flat_map(Shape::bytes).collect();
    let _ = peer.try_send(&bytes);
    let got = answers(shapes, &peer.received(), peer.is_closed());
    peer.close();
    client.reactor().settle();
    prop_assert_eq!(client.site().connections(), 0);
    prop_assert_eq!(got, wanted);
    Ok(())
}

#[test]
fn random_requests_are_answered_as_the_model_says() {
    let defaults = ProptestConfig::default();
    let config = ProptestConfig {
        cases: match env::var_os("PROPTEST_CASES") {
            Some(_) => defaults.cases,
            None => 400,
        },
        failure_persistence: None,
        ..defaults
    };
    let sizes = prop_oneof![Just(1_usize), 2..100_usize, Just(65_536)];
    let client = client(app());
    let outcome = TestRunner::new(config).run(&(vec(shape(), 1..8), sizes), |(shapes, size)| {
        compare(&client, &shapes, size)
    });
    if let Err(difference) = outcome {
        panic!("{difference}");
    }
}
