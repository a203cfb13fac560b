//! NATS by a framing: messages, subscriptions and requests in a protocol of our own.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::str::from_utf8;
use std::time::Duration;

use deferred::assertions::{failure_of, success_result_of};
use deferred::{Deferred, Failure, Trigger, gather_results};
use reactor::testing;
use reactor::{Connection, ConnectionClosed, Context, Decoded, Framing, Protocol, Reactor};
use reactor_web::client::ClientResponse;
use reactor_web::{self as web, App, serve};

use crate::servers;

// ANCHOR: framing
/// What a server of NATS sends.
#[derive(Debug)]
enum Sent<'a> {
    Message {
        subscription: u64,
        reply_to: Option<&'a str>,
        payload: &'a [u8],
    },
    Ping,
    Pong,
    Error(&'a str),
    /// `INFO` and `+OK`.
    Other,
}

#[derive(Default)]
struct Nats;

const LONGEST_LINE: usize = 4096;
const LARGEST_PAYLOAD: usize = 1024 * 1024;

impl Framing for Nats {
    type Frame<'a> = Sent<'a>;

    fn decode<'a>(&mut self, input: &'a [u8]) -> deferred::Result<Decoded<Sent<'a>>> {
        let Some(end) = input.iter().position(|byte| *byte == b'\n') else {
            return match input.len() {
                0..=LONGEST_LINE => Ok(Decoded::Incomplete),
                _ => Err(Failure::msg("a line of NATS that is too long")),
            };
        };
        let (line, consumed) = (from_utf8(&input[..end])?.trim_end(), end + 1);
        let mut words = line.split(' ');
        let frame = match words.next() {
            Some("MSG") => return message(words, &input[consumed..], consumed),
            Some("PING") => Sent::Ping,
            Some("PONG") => Sent::Pong,
            Some("-ERR") => Sent::Error(line),
            _ => Sent::Other,
        };
        Ok(Decoded::Frame { frame, consumed })
    }
}

/// `subject subscription [reply-to] length`, and the payload in the next line.
fn message<'a>(
    words: impl Iterator<Item = &'a str>,
    rest: &'a [u8],
    line: usize,
) -> deferred::Result<Decoded<Sent<'a>>> {
    let words: Vec<_> = words.collect();
    let (subscription, reply_to, length) = match words[..] {
        [_subject, subscription, length] => (subscription, None, length),
        [_subject, subscription, reply_to, length] => (subscription, Some(reply_to), length),
        _ => return Err(Failure::msg("a message of NATS that is none")),
    };
    let (subscription, length) = (subscription.parse()?, length.parse()?);
    if length > LARGEST_PAYLOAD {
        return Err(Failure::msg("a message of NATS that is too large"));
    }
    Ok(match rest.get(..length + 2) {
        Some(payload) => Decoded::Frame {
            frame: Sent::Message {
                subscription,
                reply_to,
                payload: &payload[..length],
            },
            consumed: line + length + 2,
        },
        None => Decoded::Incomplete,
    })
}
// ANCHOR_END: framing

// ANCHOR: client
type OnMessage = Box<dyn FnMut(&mut Context<'_, Client>, &[u8], Option<&str>)>;

#[derive(Default)]
struct Client {
    last: u64,
    subscriptions: HashMap<u64, OnMessage>,
    requests: HashMap<u64, Trigger<Vec<u8>>>,
    flushes: VecDeque<Trigger<()>>,
}

impl Client {
    /// Calls `on_message` with each message to `subject`.
    fn subscribe(&mut self, cx: &mut Context<'_, Self>, subject: &str, on_message: OnMessage) {
        self.subscribe_in_group(cx, subject, "", on_message);
    }

    /// The same, but each message goes to only one of those that subscribe in `group`.
    fn subscribe_in_group(
        &mut self,
        cx: &mut Context<'_, Self>,
        subject: &str,
        group: &str,
        on_message: OnMessage,
    ) {
        self.last += 1;
        cx.write(format!("SUB {subject} {group} {}\r\n", self.last));
        self.subscriptions.insert(self.last, on_message);
    }

    /// Sends a message, and gives the first reply to it.
    fn request(
        &mut self,
        cx: &mut Context<'_, Self>,
        subject: &str,
        payload: &[u8],
    ) -> Deferred<Vec<u8>> {
        self.last += 1;
        let number = self.last;
        let inbox = format!("_INBOX.{}.{number}", std::process::id());
        cx.write(format!("SUB {inbox} {number}\r\nUNSUB {number} 1\r\n"));
        publish(cx, subject, Some(&inbox), payload);
        let (trigger, reply) = Deferred::pair();
        self.requests.insert(number, trigger);
        reply
    }

    /// Fires when the server has handled all that was sent before.
    fn flush(&mut self, cx: &mut Context<'_, Self>) -> Deferred<()> {
        cx.write("PING\r\n");
        let (trigger, flushed) = Deferred::pair();
        self.flushes.push_back(trigger);
        flushed
    }
}

fn publish(cx: &mut Context<'_, Client>, subject: &str, reply_to: Option<&str>, payload: &[u8]) {
    let reply_to = reply_to.unwrap_or_default();
    cx.write(format!("PUB {subject} {reply_to} {}\r\n", payload.len()));
    cx.write(payload);
    cx.write("\r\n");
}

impl Protocol for Client {
    type Framing = Nats;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
        cx.write("CONNECT {\"verbose\":false}\r\n");
        Ok(())
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, sent: Sent<'_>) -> deferred::Result<()> {
        match sent {
            Sent::Message {
                subscription,
                reply_to,
                payload,
            } => {
                if let Some(request) = self.requests.remove(&subscription) {
                    // Errs if the request was cancelled.
                    let _ = request.callback(payload.to_vec());
                } else if let Some(on_message) = self.subscriptions.get_mut(&subscription) {
                    on_message(cx, payload, reply_to);
                }
            }
            Sent::Ping => cx.write("PONG\r\n"),
            Sent::Pong => {
                if let Some(flush) = self.flushes.pop_front() {
                    // Errs if it was cancelled.
                    let _ = flush.callback(());
                }
            }
            Sent::Error(text) => return Err(Failure::msg(text.to_owned())),
            Sent::Other => {}
        }
        Ok(())
    }

    fn connection_lost(&mut self, _: &mut Context<'_, Self>, reason: ConnectionClosed) {
        for (_, request) in self.requests.drain() {
            // Errs if the request was cancelled.
            let _ = request.errback(reason.clone());
        }
        for flush in self.flushes.drain(..) {
            let _ = flush.errback(reason.clone());
        }
    }
}
// ANCHOR_END: client

// ANCHOR: site
/// Hands each job to one of the workers, which are in other processes, or on other machines.
fn site(nats: Connection<Client>) -> App {
    App::new().post("/shout", move |req| {
        let (nats, reactor) = (nats.clone(), req.reactor().clone());
        req.bytes().add_callback(move |text| {
            let done = nats.call(move |client, cx| client.request(cx, "jobs.shout", &text));
            done.add_timeout(Duration::from_secs(5), &reactor)
        })
    })
}

/// Takes jobs. Fires when NATS knows of this worker.
fn work(nats: &Connection<Client>) -> Deferred<()> {
    nats.call(|client, cx| {
        let job: OnMessage = Box::new(|cx, text, reply_to| {
            if let Some(reply_to) = reply_to {
                publish(cx, reply_to, None, &text.to_ascii_uppercase());
            }
        });
        client.subscribe_in_group(cx, "jobs.shout", "workers", job);
        client.flush(cx)
    })
}

/// Takes no more jobs. Fires when those that had come before are done.
fn leave(nats: &Connection<Client>) -> Deferred<()> {
    nats.call(|client, cx| {
        for subscription in client.subscriptions.keys() {
            cx.write(format!("UNSUB {subscription}\r\n"));
        }
        client.flush(cx)
    })
}
// ANCHOR_END: site

fn connect(reactor: &Reactor, address: &str) -> Connection<Client> {
    let connecting = reactor.connect_tcp(address, Client::default());
    reactor.block_on(connecting).expect("it listens")
}

#[test]
fn messages_come_through_the_server() {
    let Some((_server, address)) = servers::nats() else {
        return;
    };
    let reactor = Reactor::new().expect("a reactor");
    let (near, far) = (connect(&reactor, &address), connect(&reactor, &address));

    let heard = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&heard);
    let subscribed = far.call(move |client, cx| {
        let note: OnMessage =
            Box::new(move |_, payload, _| log.borrow_mut().push(payload.to_vec()));
        client.subscribe(cx, "news.*", note);
        // A service: it replies with the same in capitals.
        let reply: OnMessage = Box::new(|cx, payload, reply_to| {
            publish(
                cx,
                reply_to.expect("a request"),
                None,
                &payload.to_ascii_uppercase(),
            );
        });
        client.subscribe(cx, "shout", reply);
        client.flush(cx)
    });
    reactor.block_on(subscribed).expect("it works");

    let sent: Vec<_> = (0..1000).map(|n| format!("{n}\r\n").into_bytes()).collect();
    let large = vec![b'x'; 500_000];
    let (all, last) = (sent.clone(), large.clone());
    let published = near.call(move |client, cx| {
        for payload in &all {
            publish(cx, "news.today", None, payload);
        }
        publish(cx, "news.late", None, &last);
        client.flush(cx)
    });
    reactor.block_on(published).expect("it works");
    let flushed = far.call(|client, cx| client.flush(cx));
    reactor.block_on(flushed).expect("it works");
    let heard = heard.take();
    assert_eq!(heard[..1000], sent);
    assert_eq!(heard[1000..], [large]);

    let requests = ["one", "two", "three"]
        .map(|word| near.call(move |client, cx| client.request(cx, "shout", word.as_bytes())));
    let replies = reactor
        .block_on(gather_results(requests))
        .expect("they work");
    assert_eq!(
        replies,
        [b"ONE".to_vec(), b"TWO".to_vec(), b"THREE".to_vec()]
    );
}

/// Two workers; one goes, and the site does not notice.
#[test]
fn a_site_hands_jobs_to_workers() {
    let Some((_server, address)) = servers::nats() else {
        return;
    };
    let reactor = Reactor::new().expect("a reactor");
    let workers = [connect(&reactor, &address), connect(&reactor, &address)];
    for worker in &workers {
        reactor.block_on(work(worker)).expect("it subscribes");
    }
    let site = site(connect(&reactor, &address));
    let serving = serve(&reactor, "tcp:0:interface=127.0.0.1", site);
    let port = reactor.block_on(serving).expect("a free port");
    let (client, url) = (
        web::Client::new(&reactor),
        format!("http://{}/shout", port.address()),
    );
    let ask = |text: String| {
        let asked = client.post(url.as_str(), text);
        reactor.block_on(asked.add_callback(ClientResponse::text))
    };
    for number in 0..10 {
        assert_eq!(
            ask(format!("job {number}")).expect("it works"),
            format!("JOB {number}")
        );
    }
    let [gone, _stays] = workers;
    // Only once NATS sends it no more jobs.
    reactor.block_on(leave(&gone)).expect("NATS answers");
    gone.lose_connection();
    for number in 0..10 {
        assert_eq!(
            ask(format!("job {number}")).expect("it works"),
            format!("JOB {number}")
        );
    }
}

/// The same client without a server, and with all that comes cut at each byte.
#[test]
fn messages_are_read_however_they_are_cut() {
    testing::run(|reactor| {
        reactor.set_largest_read(1);
        let (nats, server) = reactor.connect_to_peer(Client::default());
        assert_eq!(server.received(), b"CONNECT {\"verbose\":false}\r\n");
        let asked = nats.call(|client, cx| client.request(cx, "shout", b"hi"));
        reactor.settle();
        let sent = String::from_utf8(server.received()).expect("it is text");
        assert!(sent.ends_with(" 2\r\nhi\r\n"), "{sent}");
        server.send("INFO {}\r\nMSG inbox 1 2\r\nHI\r\nPING\r\n");
        assert_eq!(success_result_of(asked), b"HI");
        assert_eq!(server.received(), b"PONG\r\n");
        let lost = nats.call(|client, cx| client.request(cx, "shout", b"hi"));
        reactor.settle();
        server.reset();
        assert!(failure_of(lost).is::<ConnectionClosed>());
    });
}

/// A server cannot make the client keep more than it allows.
#[test]
fn frames_that_are_too_long_are_refused() {
    let long_line = vec![b'x'; LONGEST_LINE + 1];
    let refused: [&[u8]; 3] = [b"MSG s 1 99999999\r\n", b"MSG s 1\r\n", &long_line];
    for input in refused {
        testing::run(|reactor| {
            let (_nats, server) = reactor.connect_to_peer(Client::default());
            server.send(input);
            assert!(server.is_closed());
        });
    }
}
