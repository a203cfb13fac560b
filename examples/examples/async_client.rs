//! One client, written twice: with callbacks, and with async/await.
//! The client guesses a number that the server has chosen. Both versions wait for the same
//! Deferreds; a loop in the one is a recursive function in the other.
//!
//! Twisted's counterpart: a chain of callbacks, and `inlineCallbacks` or `async def`.
//!
//! ```text
//! cargo run --example async_client
//! ```

use std::cmp::Ordering;

use deferred::{Deferred, Result, Trigger, succeed};
use reactor::{Connection, Context, Lines, Protocol, Reactor};

/// Knows a number, and answers each guess with "higher", "lower" or "right".
struct Riddle(u32);

impl Protocol for Riddle {
    type Framing = Lines;

    fn received(&mut self, cx: &mut Context<'_, Self>, guess: &[u8]) -> Result<()> {
        let guess: u32 = str::from_utf8(guess)?.parse()?;
        cx.send_line(match self.0.cmp(&guess) {
            Ordering::Less => "lower",
            Ordering::Equal => "right",
            Ordering::Greater => "higher",
        });
        Ok(())
    }
}

/// Makes one guess at a time. If the connection is lost, so is the trigger, and the
/// Deferred fails.
#[derive(Default)]
struct Guesser {
    answered: Option<Trigger<String>>,
}

impl Protocol for Guesser {
    type Framing = Lines;

    fn received(&mut self, _cx: &mut Context<'_, Self>, answer: &[u8]) -> Result<()> {
        if let Some(answered) = self.answered.take() {
            answered.callback(String::from_utf8(answer.to_vec())?)?;
        }
        Ok(())
    }
}

fn ask(riddle: &Connection<Guesser>, guess: u32) -> Deferred<String> {
    riddle.call(move |this, cx| {
        cx.send_line(guess.to_string());
        let (answered, answer) = Deferred::pair();
        this.answered = Some(answered);
        answer
    })
}

fn with_callbacks(riddle: Connection<Guesser>, low: u32, high: u32) -> Deferred<u32> {
    let guess = low.midpoint(high);
    ask(&riddle, guess).add_callback(move |answer| {
        println!("{guess}: {answer}");
        match answer.as_str() {
            "lower" => with_callbacks(riddle, low, guess - 1),
            "higher" => with_callbacks(riddle, guess + 1, high),
            _ => succeed(guess),
        }
    })
}

async fn with_await(riddle: Connection<Guesser>, mut low: u32, mut high: u32) -> Result<u32> {
    loop {
        let guess = low.midpoint(high);
        let answer = ask(&riddle, guess).await?;
        println!("{guess}: {answer}");
        match answer.as_str() {
            "lower" => high = guess - 1,
            "higher" => low = guess + 1,
            _ => return Ok(guess),
        }
    }
}

fn main() -> Result<()> {
    let reactor = Reactor::new()?;
    let port = reactor.listen_tcp("127.0.0.1:0", || Riddle(42))?;

    let connecting = reactor.connect_tcp(port.address(), Guesser::default());
    let number = connecting.add_callback(|riddle| with_callbacks(riddle, 1, 100));
    println!("with callbacks: {}", reactor.block_on(number)?);

    let connecting = reactor.connect_tcp(port.address(), Guesser::default());
    let number = reactor.spawn(async { with_await(connecting.await?, 1, 100).await });
    println!("with await: {}", reactor.block_on(number)?);
    Ok(())
}
