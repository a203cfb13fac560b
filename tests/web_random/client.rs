//! Requests of the client, straight to the site or through its proxy.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use deferred::{Cancelled, Deferred, Failure, Result, sleep};
use http::Method;
use reactor::ReactorHandle;
use reactor_web::client::{ClientError, ClientResponse};
use reactor_web::{Body, Client};

use crate::ledger::{Ledger, content};
use crate::random::Random;

/// A request, and what its answer should be.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    number: u64,
    path: String,
    length: usize,
    status: u16,
    is_post: bool,
    /// Whether it is sent to the site itself, which lives until it finishes.
    is_direct: bool,
    /// Whether it takes a time, or breaks off.
    is_hard: bool,
}

/// How an answer is read.
#[derive(Clone, Copy, Debug)]
enum Reading {
    Whole,
    Slowly,
    /// The rest is left.
    First,
}

impl Asked {
    pub(crate) fn random(random: &Random, number: u64, largest: usize, keeps_short: bool) -> Self {
        let length = random
            .one_of(&[0, 1, 40, 1500, 20_000, 150_000])
            .min(largest);
        let (path, length, status, is_post, is_hard) = match random.number(0..10) {
            0..3 => (format!("/now/{number}/{length}"), length, 200, false, false),
            3 => {
                let ms = random.one_of(&[0, 10, 500, 3000, 20_000]);
                (format!("/later/{number}/{ms}"), 40, 200, false, ms > 500)
            }
            4 => {
                let (pieces, ms) = (random.index(5), random.one_of(&[0, 0, 100, 2000]));
                let path = format!("/stream/{number}/{pieces}/{length}/{ms}");
                (path, pieces * length, 200, false, false)
            }
            5 => (format!("/echo/{number}"), length, 200, true, !keeps_short),
            6 => (format!("/read/{number}"), length, 200, true, !keeps_short),
            7 => (format!("/never/{number}"), 0, 200, false, true),
            8 => (format!("/fail/{number}"), 0, 500, false, false),
            _ => (format!("/cut/{number}"), 100, 200, false, true),
        };
        Self {
            number,
            path,
            length,
            status,
            is_post,
            is_direct: random.percent(50),
            is_hard,
        }
    }

    /// Sends the request, and notes what comes of it. Cancelling the Deferred cancels it.
    pub(crate) fn send(
        self,
        client: &Client,
        random: &Random,
        ledger: &Rc<Ledger>,
    ) -> Deferred<()> {
        let reactor = client.reactor().clone();
        let place = if self.is_direct { "" } else { "/proxy" };
        let url = format!("http://127.0.0.1{place}{}", self.path);
        let method = if self.is_post {
            Method::POST
        } else {
            Method::GET
        };
        let mut request = client.request(method, url);
        if self.is_post {
            request = request.body(upload(&self, random, &reactor));
        }
        let reading = random.one_of(&[
            Reading::Whole,
            Reading::Whole,
            Reading::Slowly,
            Reading::First,
        ]);
        ledger.note(format!("{place}{} is asked for", self.path));
        let (answer, ledger) = (request.send(), Rc::clone(ledger));
        let end = Ended {
            asked: self,
            ledger,
            outcome: RefCell::new(None),
        };
        reactor.clone().spawn(async move {
            let asked = end.asked.clone();
            let outcome = match answer.cancel_on_drop().await {
                Ok(answer) => take(&asked, answer, reading, &reactor).await,
                Err(failure) => Err(failure),
            };
            *end.outcome.borrow_mut() = Some(outcome);
            Ok(())
        })
    }

    fn check(&self, outcome: &Result<Taken>, ledger: &Ledger) {
        let asked = format!(
            "{} {}",
            self.path,
            if self.is_direct { "" } else { "by proxy" }
        );
        match outcome {
            Ok(taken) if taken.status == self.status => {
                ledger.count(if self.is_direct {
                    "answered"
                } else {
                    "answered by proxy"
                });
                if self.status != 200 {
                    return;
                }
                let whole = content(self.number, self.length);
                let is_right = if taken.is_whole {
                    taken.body == whole
                } else {
                    whole.starts_with(&taken.body)
                };
                if taken.number != Some(self.number) || !is_right {
                    ledger.violation(format!("{asked} got {taken:?}"));
                }
            }
            Ok(taken) => {
                ledger.count(match taken.status {
                    502 => "502",
                    503 => "503",
                    504 => "504",
                    408 => "408",
                    _ => "another status",
                });
                let is_of_proxy = !self.is_direct && matches!(taken.status, 502..=504);
                if !is_of_proxy && taken.status != 408 {
                    ledger.violation(format!("{asked} got {taken:?}"));
                }
            }
            Err(failure) if failure.is::<Cancelled>() => ledger.count("cancelled"),
            Err(failure) => {
                let timed_out = matches!(failure.check(), Some(ClientError::TimedOut { .. }));
                ledger.count(if timed_out { "timed out" } else { "failed" });
                // The site itself lives, and what it answers is lost in no case. A POST is not
                // repeated on another connection if the site closes the first one, so it may fail if
                // connections are kept as long as the site keeps them.
                let excused = self.is_hard || timed_out || ledger.is_finishing.get();
                if self.is_direct && !excused {
                    ledger.violation(format!("{asked} failed: {failure:?}"));
                }
            }
        }
        if self.is_post && ledger.handled(self.number) > 1 {
            ledger.violation(format!("{asked} was handled twice"));
        }
    }
}

/// An answer.
#[derive(Debug)]
struct Taken {
    status: u16,
    number: Option<u64>,
    body: Vec<u8>,
    is_whole: bool,
}

/// The body of a POST: with a length or without, at once or by pieces.
fn upload(asked: &Asked, random: &Random, reactor: &ReactorHandle) -> Body {
    let whole = content(asked.number, asked.length);
    if random.percent(50) {
        return Body::from(whole);
    }
    let (writer, body) = Body::channel();
    let wait = Duration::from_millis(random.one_of(&[0, 10, 1000, 40_000]));
    let piece = random.one_of(&[1000, 50_000]);
    let clock = reactor.clone();
    let writing = async move {
        for piece in whole.chunks(piece) {
            sleep(&clock, wait).await?;
            writer.write(piece.to_vec()).await?;
        }
        Ok(())
    };
    // It errs when the request is over.
    reactor.spawn(writing).ignore();
    body
}

async fn take(
    asked: &Asked,
    answer: ClientResponse,
    reading: Reading,
    reactor: &ReactorHandle,
) -> Result<Taken> {
    let number = answer.header("x-n").and_then(|number| number.parse().ok());
    let mut taken = Taken {
        status: answer.status().as_u16(),
        number,
        body: Vec::new(),
        is_whole: true,
    };
    let (mut body, mut pauses) = (answer.into_body(), 0);
    while let Some(piece) = body.next().await {
        taken.body.extend_from_slice(&piece?);
        match reading {
            Reading::Whole => {}
            // Only so often, since some bodies come by single bytes.
            Reading::Slowly if pauses < 5 => {
                pauses += 1;
                sleep(reactor, Duration::from_millis(700)).await?;
            }
            Reading::Slowly => {}
            Reading::First => {
                taken.is_whole = false;
                break;
            }
        }
    }
    if taken.is_whole && asked.path.starts_with("/cut/") && taken.status == 200 {
        return Err(Failure::msg("a body that was broken off came to its end"));
    }
    Ok(taken)
}

/// The end of a request, which is there once, also if it is cancelled.
struct Ended {
    asked: Asked,
    ledger: Rc<Ledger>,
    outcome: RefCell<Option<Result<Taken>>>,
}

impl Drop for Ended {
    fn drop(&mut self) {
        let Some(outcome) = self.outcome.take() else {
            self.ledger
                .note(format!("{} was cancelled", self.asked.path));
            self.ledger.count("cancelled");
            return;
        };
        let shown = match &outcome {
            Ok(taken) => format!("{} with {} bytes", taken.status, taken.body.len()),
            Err(failure) => failure.to_string(),
        };
        self.ledger
            .note(format!("{} ends: {shown}", self.asked.path));
        self.asked.check(&outcome, &self.ledger);
        if let Err(failure) = outcome
            && failure.message().contains("came to its end")
        {
            let path = &self.asked.path;
            self.ledger.violation(format!("{path}: {failure}"));
        }
    }
}
