//! Peers that send requests by raw bytes: pipelined, in pieces, with pauses, and some of them go.

use std::rc::Rc;
use std::time::Duration;

use reactor::testing::{Peer, TestReactor};
use reactor::{Address, Factory};
use reactor_web::Site;

use crate::ledger::{Ledger, content};
use crate::random::Random;

/// A peer with requests of its own.
pub(crate) struct RawPeer {
    peer: Peer,
    /// The number of each request, and its kind.
    requests: Vec<(u64, Kind)>,
    /// Where each of them ends.
    ends: Vec<usize>,
    sent: usize,
    /// The requests that were sent whole before anything else was.
    sane: usize,
    /// What is still to be sent.
    unsent: Vec<u8>,
    received: Vec<u8>,
    /// Whether everything was sent in time, read, and the connection not ended by the peer.
    is_good: bool,
    /// When the first byte of the request was sent that is not complete, or the last one was.
    begun: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Now,
    Head,
    Echo,
    Fail,
    Missing,
}

/// An answer.
#[derive(Debug)]
struct Answer {
    status: u16,
    number: Option<u64>,
    body: Vec<u8>,
    closes: bool,
}

const LENGTH: usize = 30;

impl RawPeer {
    /// Connects, if the site takes connections.
    pub(crate) fn connect(
        reactor: &TestReactor,
        site: &Site,
        random: &Random,
        numbers: &mut u64,
    ) -> Option<Self> {
        let address = Address::from(std::net::SocketAddr::from(([127, 0, 0, 1], 9)));
        let protocol = site.clone().build_protocol(&address)?;
        let (_connection, peer) = reactor.connect_to_peer(protocol);
        let (mut requests, mut unsent, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..random.number(1..5) {
            *numbers += 1;
            let number = *numbers;
            let kinds = [
                Kind::Now,
                Kind::Now,
                Kind::Head,
                Kind::Echo,
                Kind::Fail,
                Kind::Missing,
            ];
            let kind = random.one_of(&kinds);
            unsent.extend_from_slice(&bytes(number, kind, random));
            requests.push((number, kind));
            ends.push(unsent.len());
        }
        let now = deferred::Clock::now(reactor);
        Some(Self {
            peer,
            sane: requests.len(),
            requests,
            ends,
            sent: 0,
            unsent,
            received: Vec::new(),
            is_good: true,
            begun: now,
        })
    }

    /// Does one of the things that a peer may do.
    pub(crate) fn act(&mut self, now: Duration, random: &Random, ledger: &Ledger) {
        self.look();
        match random.number(0..12) {
            0 => {
                ledger.count("a peer has finished sending");
                self.peer.finish();
                self.is_good = false;
            }
            1 => {
                ledger.count("a peer has reset");
                self.peer.reset();
                self.is_good = false;
            }
            2 => {
                ledger.count("a peer has closed");
                self.peer.close();
                self.is_good = false;
            }
            3 => self.peer.set_reading(false),
            4 => {
                ledger.count("a peer has sent nonsense");
                let whole = self.ends.iter().filter(|end| **end <= self.sent).count();
                self.sane = self.sane.min(whole);
                self.peer.try_send(b"\0\0 what?\r\n\r\n");
                self.is_good = false;
            }
            5 => self.peer.set_reading(true),
            _ => self.send(random.index(self.unsent.len() + 1), now),
        }
    }

    fn send(&mut self, count: usize, now: Duration) {
        // The site gives a head, and a body that is awaited, 60 s: all of it, not each piece.
        if now - self.begun > Duration::from_secs(50) {
            self.is_good = false;
        }
        let piece: Vec<u8> = self.unsent.drain(..count).collect();
        let is_sent = |end: &usize| (self.sent..=self.sent + count).contains(end);
        if self.sent == 0 || self.ends.iter().any(is_sent) {
            self.begun = now;
        }
        self.sent += count;
        self.peer.try_send(&piece);
        self.look();
    }

    fn look(&mut self) {
        self.received.extend(self.peer.received());
    }

    /// Sends the rest, and reads all.
    pub(crate) fn complete(&mut self, now: Duration) {
        self.peer.set_reading(true);
        self.send(self.unsent.len(), now);
    }

    /// Checks that the answers are those to the requests, in their order, and that none is missing
    /// without a reason.
    pub(crate) fn check(&mut self, ledger: &Rc<Ledger>) {
        self.look();
        let answers = parse(&self.received, &self.requests);
        for (answer, (number, kind)) in answers.iter().zip(&self.requests[..self.sane]) {
            let (status, body) = match kind {
                Kind::Now | Kind::Echo => (200, content(*number, LENGTH)),
                Kind::Head => (200, Vec::new()),
                Kind::Fail => (500, answer.body.clone()),
                Kind::Missing => (404, answer.body.clone()),
            };
            let is_named = answer.status != 200 || answer.number == Some(*number);
            let is_right = answer.status == status && answer.body == body && is_named;
            // The answers to what is no request, or comes too slowly.
            let is_refusal = !self.is_good && matches!(answer.status, 400 | 408);
            if !is_right && !is_refusal {
                ledger.violation(format!("{kind:?} {number} of a peer got {answer:?}"));
            }
        }
        if answers.len() > self.requests.len() && self.is_good {
            ledger.violation(format!(
                "a peer got more answers than it has asked: {answers:?}"
            ));
        }
        let closes = answers.last().is_some_and(|answer| answer.closes);
        if self.is_good && answers.len() < self.requests.len() && !closes {
            let got = answers.len();
            ledger.violation(format!(
                "{:?} got {got} answers: {:?}",
                self.requests,
                String::from_utf8_lossy(&self.received)
            ));
        }
        ledger.count(if self.is_good {
            "a good peer"
        } else {
            "a bad peer"
        });
        ledger.note(format!("{:?} got {} answers", self.requests, answers.len()));
    }

    pub(crate) fn close(self) {
        self.peer.close();
    }
}

fn bytes(number: u64, kind: Kind, random: &Random) -> Vec<u8> {
    let target = match kind {
        Kind::Now | Kind::Head => format!("/now/{number}/{LENGTH}"),
        Kind::Echo => format!("/echo/{number}"),
        Kind::Fail => format!("/fail/{number}"),
        Kind::Missing => format!("/missing/{number}"),
    };
    let method = match kind {
        Kind::Head => "HEAD",
        Kind::Echo => "POST",
        _ => "GET",
    };
    let mut request = format!("{method} {target} HTTP/1.1\r\nhost: a\r\n").into_bytes();
    if kind != Kind::Echo {
        request.extend_from_slice(b"\r\n");
        return request;
    }
    let body = content(number, LENGTH);
    if random.percent(50) {
        request.extend_from_slice(format!("content-length: {LENGTH}\r\n\r\n").as_bytes());
        request.extend_from_slice(&body);
    } else {
        request.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
        let (first, second) = body.split_at(random.index(LENGTH - 2) + 1);
        for chunk in [first, second] {
            request.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            request.extend_from_slice(chunk);
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"0\r\n\r\n");
    }
    request
}

/// The answers that are whole.
fn parse(mut bytes: &[u8], requests: &[(u64, Kind)]) -> Vec<Answer> {
    let mut answers = Vec::new();
    while let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
        let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        let header = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            lines
                .find(|(known, _)| *known == name)
                .map(|(_, value)| value.to_owned())
        };
        let status = head
            .get(9..12)
            .and_then(|status| status.parse().ok())
            .unwrap_or(0);
        let rest = &bytes[end + 4..];
        if status == 100 {
            bytes = rest;
            continue;
        }
        let is_head = requests
            .get(answers.len())
            .is_some_and(|(_, kind)| *kind == Kind::Head);
        let length = header("content-length").and_then(|length| length.parse::<usize>().ok());
        let taken = match (is_head, length) {
            (true, _) => Some((Vec::new(), rest)),
            (false, Some(length)) => rest
                .split_at_checked(length)
                .map(|(body, rest)| (body.to_vec(), rest)),
            (false, None) => unchunked(rest),
        };
        let Some((body, rest)) = taken else {
            break;
        };
        let number = header("x-n").and_then(|number| number.parse().ok());
        let closes = header("connection").is_some_and(|value| value == "close");
        answers.push(Answer {
            status,
            number,
            body,
            closes,
        });
        bytes = rest;
    }
    answers
}

/// A body in chunks, if it is whole, and what is behind it.
fn unchunked(mut bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut body = Vec::new();
    loop {
        let end = bytes.windows(2).position(|two| two == b"\r\n")?;
        let size = std::str::from_utf8(&bytes[..end]).ok()?;
        let size = usize::from_str_radix(size, 16).ok()?;
        let (chunk, rest) = bytes[end + 2..].split_at_checked(size + 2)?;
        body.extend_from_slice(&chunk[..size]);
        bytes = rest;
        if size == 0 {
            return Some((body, bytes));
        }
    }
}
