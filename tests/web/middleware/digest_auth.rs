//! Digest authentication: proofs that are right, wrong, old and used.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use deferred::{Failure, defer_later};
use md5::Md5;
use reactor_web::middleware::{DigestAuth, DigestSecret};
use reactor_web::testing::{TestAnswer, TestClient};
use reactor_web::{App, Body};
use sha2::{Digest, Sha256};

use crate::support::client;

const SECOND: Duration = Duration::from_secs(1);

fn auth() -> DigestAuth {
    DigestAuth::new("vault", |user| {
        Ok(match user.as_str() {
            "ann" => Some(DigestSecret::password("secret")),
            "b\u{f6}b" => Some(DigestSecret::sha256(
                hash("SHA-256", "b\u{f6}b:vault:secret").to_uppercase(),
            )),
            "old" => Some(DigestSecret::md5(hash("MD5", "old:vault:secret"))),
            _ => None,
        })
    })
}

fn vault(auth: DigestAuth) -> TestClient {
    let app = App::new()
        .get("/a", |req| {
            format!("hello, {}", req.user().unwrap_or("stranger"))
        })
        .get("/b", |_| "b")
        .post("/a", |_| "posted")
        .wrap(auth);
    client(app)
}

fn hash(algorithm: &str, text: &str) -> String {
    let bytes = match algorithm {
        "MD5" => Md5::digest(text).to_vec(),
        _ => Sha256::digest(text).to_vec(),
    };
    bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

/// The parameters of the challenge for an algorithm.
fn challenge(answer: &TestAnswer, algorithm: &str) -> BTreeMap<String, String> {
    assert_eq!(answer.status(), 401);
    let all = answer.headers().get_all("www-authenticate");
    let text = all
        .iter()
        .map(|value| value.to_str().unwrap())
        .find(|text| text.contains(&format!("algorithm={algorithm},")))
        .expect("it is offered");
    let params = text
        .strip_prefix("Digest ")
        .expect("the scheme")
        .split(", ");
    params
        .map(|param| param.split_once('=').expect("a value"))
        .map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned()))
        .collect()
}

/// A client that knows a password.
struct Prover {
    algorithm: &'static str,
    user: &'static str,
    password: &'static str,
    nonce: String,
}

impl Prover {
    fn new(client: &TestClient, user: &'static str) -> Self {
        Self {
            algorithm: "SHA-256",
            user,
            password: "secret",
            nonce: nonce(client, "SHA-256"),
        }
    }

    fn header(&self, method: &str, uri: &str, count: u32) -> String {
        let Self {
            algorithm,
            user,
            password,
            nonce,
        } = self;
        let secret = hash(algorithm, &format!("{user}:vault:{password}"));
        let request = hash(algorithm, &format!("{method}:{uri}"));
        let response = hash(
            algorithm,
            &format!("{secret}:{nonce}:{count:08x}:cn:auth:{request}"),
        );
        format!(
            "Digest username=\"{user}\", realm=\"vault\", nonce=\"{nonce}\", uri=\"{uri}\", \
             algorithm={algorithm}, response=\"{response}\", qop=auth, nc={count:08x}, cnonce=\"cn\""
        )
    }

    fn get(&self, client: &TestClient, count: u32) -> TestAnswer {
        get(client, &self.header("GET", "/a", count))
    }
}

fn nonce(client: &TestClient, algorithm: &str) -> String {
    challenge(&client.get("/a"), algorithm)["nonce"].clone()
}

fn get(client: &TestClient, authorization: &str) -> TestAnswer {
    client.get_with("/a", &[("authorization", authorization)])
}

/// Whether the client is asked for another nonce, and not for another password.
fn is_stale(answer: &TestAnswer) -> bool {
    challenge(answer, "SHA-256")
        .get("stale")
        .is_some_and(|stale| stale == "true")
}

#[test]
fn a_right_proof_comes_through() {
    let client = vault(auth());
    let asked = challenge(&client.get("/a"), "SHA-256");
    assert_eq!(
        (&*asked["realm"], &*asked["qop"], asked.get("stale")),
        ("vault", "auth", None)
    );
    let ann = Prover::new(&client, "ann");
    assert_eq!(ann.get(&client, 1).text(), "hello, ann");
    assert_eq!(ann.get(&client, 2).text(), "hello, ann");
    let header = ann.header("POST", "/a?b=c", 3);
    let answer = client.send(
        http::Method::POST,
        "/a?b=c",
        &[("authorization", &header)],
        Body::empty(),
    );
    assert_eq!(answer.text(), "posted");
}

#[test]
fn a_proof_of_something_else_does_not() {
    let client = vault(auth().failure_limit(1000, SECOND));
    let ann = Prover::new(&client, "ann");
    let right = ann.header("GET", "/a", 1);
    let other = [
        ann.header("POST", "/a", 1),
        ann.header("GET", "/b", 1),
        Prover {
            password: "Secret",
            ..Prover::new(&client, "ann")
        }
        .header("GET", "/a", 1),
        Prover::new(&client, "eve").header("GET", "/a", 1),
        right.replace("realm=\"vault\"", "realm=\"cellar\""),
        right.replace("qop=auth, ", ""),
        right.replace("qop=auth", "qop=auth-int"),
        right.replace("nc=00000001", "nc=1"),
        right.replace("nc=00000001", "nc=+0000001"),
        right.replace("nc=00000001", "nc=00000002"),
        right.replace("cnonce=\"cn\"", "cnonce=\"\""),
        right.replace("cnonce=\"cn\"", "cnonce=\"cn\", cnonce=\"cn\""),
        right.replace("algorithm=SHA-256", "algorithm=SHA-256-sess"),
        right.replace("algorithm=SHA-256, ", ""),
        right.replace("nonce=\"", "nonce=\"A"),
        right.replace("Digest", "Basic"),
        "Digest".to_owned(),
        "Digest username=\"ann".to_owned(),
    ];
    for header in other {
        let answer = get(&client, &header);
        assert_eq!(answer.status(), 401, "{header}");
        assert!(!is_stale(&answer), "{header}");
    }
    assert_eq!(
        get(&client, &right).status(),
        200,
        "the failures have used nothing up"
    );
}

#[test]
fn a_request_is_not_taken_twice() {
    let client = vault(auth());
    let ann = Prover::new(&client, "ann");
    assert_eq!(ann.get(&client, 1).status(), 200);
    let again = ann.get(&client, 1);
    assert!(is_stale(&again));
    for count in [5, 3, 2] {
        assert_eq!(
            ann.get(&client, count).status(),
            200,
            "{count} of another connection"
        );
        assert!(is_stale(&ann.get(&client, count)), "{count}");
    }
    // That is no guess at a password.
    for _ in 0..20 {
        assert!(is_stale(&ann.get(&client, 1)));
    }
}

#[test]
fn a_nonce_is_stale_after_its_time_and_after_a_restart() {
    let client = vault(auth());
    let ann = Prover::new(&client, "ann");
    client.advance(SECOND * 300);
    assert_eq!(ann.get(&client, 1).status(), 200);
    client.advance(SECOND);
    let answer = ann.get(&client, 2);
    assert!(is_stale(&answer));
    let next = Prover {
        nonce: challenge(&answer, "SHA-256")["nonce"].clone(),
        ..ann
    };
    assert_eq!(next.get(&client, 1).status(), 200);

    let restarted = vault(auth().nonce_lifetime(SECOND));
    assert!(is_stale(&next.get(&restarted, 2)));
    let next = Prover::new(&restarted, "ann");
    restarted.advance(SECOND * 2);
    assert!(is_stale(&next.get(&restarted, 1)));
}

#[test]
fn md5_is_for_those_that_ask_for_it() {
    let client = vault(auth());
    let all = client.get("/a");
    assert_eq!(all.headers().get_all("www-authenticate").iter().count(), 1);
    let with_md5 = vault(auth().md5());
    let old = Prover {
        algorithm: "MD5",
        nonce: nonce(&with_md5, "MD5"),
        ..Prover::new(&with_md5, "old")
    };
    assert_eq!(old.get(&with_md5, 1).text(), "hello, old");
    assert_eq!(old.get(&client, 1).status(), 401);
    // Clients that name no algorithm mean MD5.
    let header = old.header("GET", "/a", 2).replace("algorithm=MD5, ", "");
    assert_eq!(get(&with_md5, &header).status(), 200);
    // Its secret is known for MD5 only.
    assert_eq!(
        Prover::new(&with_md5, "old").get(&with_md5, 1).status(),
        401
    );
    assert_eq!(
        Prover::new(&with_md5, "ann").get(&with_md5, 1).status(),
        200
    );
}

#[test]
fn a_name_may_be_any_text() {
    let client = vault(auth());
    let header = Prover::new(&client, "b\u{f6}b").header("GET", "/a", 1);
    let encoded = header.replace("username=\"b\u{f6}b\"", "username*=UTF-8''b%C3%B6b");
    assert_eq!(get(&client, &encoded).text(), "hello, b\u{f6}b");
}

#[test]
fn a_secret_may_take_its_time_and_may_fail() {
    let slow = |client: &TestClient| {
        let reactor = client.reactor().handle();
        DigestAuth::new("vault", move |user| {
            let secret = (user == "ann").then(|| DigestSecret::password("secret"));
            defer_later(&reactor, SECOND, move || match user.as_str() {
                "eve" => Err(Failure::msg("no database")),
                _ => Ok(secret),
            })
        })
    };
    // The reactor of another client has a clock of its own, which this test moves.
    let clock = client(App::new());
    let client = vault(slow(&clock));
    for (user, status) in [("ann", 200), ("bob", 401), ("eve", 500)] {
        let header = Prover::new(&client, user).header("GET", "/a", 1);
        let request = http::Request::get("/a").header("authorization", header);
        let pending = client.start(request.body(Body::empty()).unwrap());
        assert!(pending.is_pending());
        clock.advance(SECOND);
        assert_eq!(pending.answer().status(), status, "{user}");
    }
}

#[test]
fn a_client_that_fails_too_often_has_to_wait() {
    let client = vault(auth());
    let wrong = Prover {
        password: "guess",
        ..Prover::new(&client, "ann")
    };
    for count in 1..=10 {
        assert_eq!(wrong.get(&client, count).status(), 401);
    }
    assert_eq!(wrong.get(&client, 11).status(), 429);
    assert_eq!(Prover::new(&client, "ann").get(&client, 1).status(), 429);
    client.advance(SECOND * 6);
    assert_eq!(Prover::new(&client, "ann").get(&client, 1).status(), 200);
}
