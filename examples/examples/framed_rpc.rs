//! Requests and answers in frames: pipelined, with correlation ids and a timeout per request.
//!
//! A frame is its length, the id of a request, and text. The client sends all requests at once; the
//! server answers each when its answer is ready, in any order.
//!
//! Twisted's counterpart: `Int32StringReceiver`, and the requests of `twisted.protocols.amp`.
//!
//! ```text
//! cargo run --example framed_rpc -- --timeout 0.5
//! ```

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use clap::Parser;
use deferred::{Deferred, Failure, Result, Trigger, gather_results, sleep, succeed};
use reactor::framing::{LengthPrefixed, U32};
use reactor::{Connection, ConnectionClosed, Context, Protocol, Reactor, ReactorHandle};

/// Asks a server in the same process.
#[derive(Parser)]
struct Args {
    /// How long the client waits for an answer, in seconds.
    #[arg(long, default_value_t = 1.0)]
    timeout: f64,
}

type Frames = LengthPrefixed<U32>;

fn encode(id: u32, text: &str) -> Result<Vec<u8>> {
    Ok(Frames::encode(
        &[&id.to_be_bytes(), text.as_bytes()].concat(),
    )?)
}

fn decode(frame: &[u8]) -> Result<(u32, &str)> {
    let Some((id, text)) = frame.split_first_chunk() else {
        return Err(Failure::msg("a frame without an id"));
    };
    Ok((u32::from_be_bytes(*id), str::from_utf8(text)?))
}

struct Server;

impl Protocol for Server {
    type Framing = Frames;

    fn framing(&self) -> Frames {
        Frames::with_max_length(1024)
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, request: &[u8]) -> Result<()> {
        let (id, question) = decode(request)?;
        let answer = answer(cx.reactor(), question);
        cx.when_or_cancel(answer, move |_this, cx, answer| {
            cx.write(encode(id, &answer?)?);
            Ok(())
        });
        Ok(())
    }
}

fn answer(reactor: &ReactorHandle, question: &str) -> Deferred<String> {
    match question.split_once(' ') {
        Some(("upper", text)) => succeed(text.to_uppercase()),
        Some(("wait", seconds)) => {
            let seconds = seconds.parse().unwrap_or_default();
            sleep(reactor, Duration::from_secs(seconds))
                .add_callback(move |()| Ok(format!("{seconds} s are over")))
        }
        _ => succeed("what?".to_owned()),
    }
}

/// Requests without an answer yet, by id.
type Waiting = Rc<RefCell<HashMap<u32, Trigger<String>>>>;

#[derive(Default)]
struct Client {
    last_id: u32,
    waiting: Waiting,
}

impl Client {
    /// Cancelling the answer, as a timeout does, forgets the request.
    fn ask(&mut self, cx: &mut Context<'_, Self>, question: &str) -> Result<Deferred<String>> {
        self.last_id = self.last_id.wrapping_add(1);
        let id = self.last_id;
        cx.write(encode(id, question)?);
        let waiting = Rc::downgrade(&self.waiting);
        let (trigger, answer) = Deferred::with_canceller(move |_trigger| {
            let waiting = waiting.upgrade();
            waiting.and_then(|waiting| waiting.borrow_mut().remove(&id));
        });
        self.waiting.borrow_mut().insert(id, trigger);
        Ok(answer)
    }
}

impl Protocol for Client {
    type Framing = Frames;

    fn received(&mut self, _cx: &mut Context<'_, Self>, frame: &[u8]) -> Result<()> {
        let (id, answer) = decode(frame)?;
        // `None` for an answer that comes too late.
        let trigger = self.waiting.borrow_mut().remove(&id);
        if let Some(trigger) = trigger {
            trigger.callback(answer.to_owned())?;
        }
        Ok(())
    }

    fn connection_lost(&mut self, _cx: &mut Context<'_, Self>, reason: ConnectionClosed) {
        for trigger in self.waiting.take().into_values() {
            // Errs if the callback of another request has cancelled this one; harmless.
            let _ = trigger.errback(reason.clone());
        }
    }
}

fn ask(client: &Connection<Client>, question: &'static str) -> Deferred<String> {
    client
        .call(move |client, cx| client.ask(cx, question))
        .flatten()
}

fn main() -> Result<()> {
    let limit = Duration::from_secs_f64(Args::parse().timeout);
    let reactor = Reactor::new()?;
    let port = reactor.listen_tcp("127.0.0.1:0", || Server)?;
    let client = reactor.block_on(reactor.connect_tcp(port.address(), Client::default()))?;
    let questions = ["wait 60", "upper hello", "wait 0", "sing"];
    let answers = questions.map(|question| {
        let answer = ask(&client, question).add_timeout(limit, &reactor);
        answer.add_both(move |answer| match answer {
            Ok(answer) => println!("{question}: {answer}"),
            Err(failure) => println!("{question}: {failure}"),
        })
    });
    reactor.block_on(gather_results(answers))?;
    Ok(())
}
