//! Redis by a framing: a protocol of our own over the decoder of the crate `redis-protocol`.

use std::collections::VecDeque;

use deferred::assertions::{failure_of, success_result_of};
use deferred::{Deferred, Failure, Trigger, gather_results};
use reactor::testing;
use reactor::{Connection, ConnectionClosed, Context, Decoded, Framing, Protocol, Reactor};
use redis_protocol::resp2::decode::decode;
use redis_protocol::resp2::types::OwnedFrame;

use crate::servers;

// ANCHOR: client
/// Replies of Redis.
#[derive(Default)]
struct Replies;

impl Framing for Replies {
    type Frame<'a> = OwnedFrame;

    fn decode(&mut self, input: &[u8]) -> deferred::Result<Decoded<OwnedFrame>> {
        Ok(match decode(input)? {
            Some((frame, consumed)) => Decoded::Frame { frame, consumed },
            None => Decoded::Incomplete,
        })
    }
}

/// A client of Redis: replies come in the order of the commands.
#[derive(Default)]
struct Redis {
    commands: VecDeque<Trigger<OwnedFrame>>,
}

impl Protocol for Redis {
    type Framing = Replies;

    fn received(&mut self, _: &mut Context<'_, Self>, reply: OwnedFrame) -> deferred::Result<()> {
        if let Some(command) = self.commands.pop_front() {
            let reply = match reply {
                OwnedFrame::Error(text) => Err(Failure::msg(text)),
                reply => Ok(reply),
            };
            // Errs if the command was cancelled: its reply is dropped.
            let _ = command.fire(reply);
        }
        Ok(())
    }

    fn connection_lost(&mut self, _: &mut Context<'_, Self>, reason: ConnectionClosed) {
        for command in self.commands.drain(..) {
            // Errs if the command was cancelled.
            let _ = command.errback(reason.clone());
        }
    }
}

/// Sends a command, and gives its reply.
fn call(redis: &Connection<Redis>, words: &[&str]) -> Deferred<OwnedFrame> {
    let mut command = format!("*{}\r\n", words.len());
    for word in words {
        command += &format!("${}\r\n{word}\r\n", word.len());
    }
    redis.call(move |redis, cx| {
        cx.write(command);
        let (trigger, reply) = Deferred::pair();
        redis.commands.push_back(trigger);
        reply
    })
}
// ANCHOR_END: client

fn bulk(text: &str) -> OwnedFrame {
    OwnedFrame::BulkString(text.into())
}

#[test]
fn commands_are_answered_by_the_server() {
    let Some(server) = servers::redis() else {
        return;
    };
    let reactor = Reactor::new().expect("a reactor");
    let redis = reactor.connect_unix(server.path("redis"), Redis::default());
    let redis = reactor.block_on(redis).expect("it listens");
    let set = reactor.block_on(call(&redis, &["SET", "key", "value"]));
    assert_eq!(
        set.expect("it works"),
        OwnedFrame::SimpleString("OK".into())
    );
    // All of these are sent together, and answered in order.
    let asked = (1..=100).map(|_| call(&redis, &["INCR", "count"]));
    let counted = reactor.block_on(gather_results(asked)).expect("they work");
    let expected: Vec<_> = (1..=100).map(OwnedFrame::Integer).collect();
    assert_eq!(counted, expected);
    let failure = reactor.block_on(call(&redis, &["INCR", "key"]));
    let failure = failure.expect_err("it is no number");
    assert!(failure.to_string().contains("not an integer"), "{failure}");
    let large = "x".repeat(1_000_000);
    let set = reactor.block_on(call(&redis, &["SET", "large", &large]));
    set.expect("it works");
    let got = reactor.block_on(call(&redis, &["GET", "large"]));
    assert_eq!(got.expect("it works"), bulk(&large));
}

/// The same client without a server, and with each reply cut at each byte.
#[test]
fn replies_are_read_however_they_are_cut() {
    testing::run(|reactor| {
        reactor.set_largest_read(1);
        let (redis, server) = reactor.connect_to_peer(Redis::default());
        let replies = [
            call(&redis, &["GET", "key"]),
            call(&redis, &["LLEN", "list"]),
        ];
        assert_eq!(
            server.received(),
            b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n*2\r\n$4\r\nLLEN\r\n$4\r\nlist\r\n"
        );
        server.send("$5\r\nvalue\r\n:3\r\n");
        let [value, length] = replies.map(success_result_of);
        assert_eq!((value, length), (bulk("value"), OwnedFrame::Integer(3)));
        let lost = call(&redis, &["PING"]);
        server.reset();
        assert!(failure_of(lost).is::<ConnectionClosed>());
    });
}
