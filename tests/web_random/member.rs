//! Members of rooms: the client's side of WebSockets, straight and through the proxy.

use std::cell::Cell;
use std::rc::Rc;

use deferred::{Deferred, Result};
use reactor::ReactorHandle;
use reactor_web::ws::{
    CloseCode, CloseEvent, WebSocket, WebSocketClient, WebSocketOptions, WebSocketProtocol,
};

use crate::ledger::Ledger;
use crate::random::Random;

/// A member of a room.
pub(crate) struct Guest {
    number: u64,
    opening: Deferred<()>,
    shared: Rc<Shared>,
    sent: u64,
}

#[derive(Default)]
struct Shared {
    ws: std::cell::RefCell<Option<WebSocket>>,
    is_paused: Cell<bool>,
}

impl Guest {
    pub(crate) fn enter(
        reactor: &ReactorHandle,
        random: &Random,
        number: u64,
        ledger: &Rc<Ledger>,
    ) -> Result<Self> {
        let place = random.one_of(&["", "", "/proxy"]);
        let room = random.one_of(&["a", "b"]);
        let options = WebSocketOptions::default().with_deflate(random.percent(30));
        let client = WebSocketClient::new(&format!("ws://127.0.0.1{place}/rooms/{room}/{number}"))?;
        let side = Side {
            number,
            ledger: Rc::clone(ledger),
        };
        let shared = Rc::<Shared>::default();
        let (slot, ledger) = (Rc::clone(&shared), Rc::clone(ledger));
        let opening = client
            .with_options(options)
            .connect(reactor, side)
            .add_both(move |opened| {
                match opened {
                    Ok(ws) => {
                        ledger.count("a guest has come in");
                        slot.ws.replace(Some(ws));
                    }
                    Err(failure) => {
                        ledger.count("a guest was not let in");
                        ledger.note(format!("guest {number}: {}", failure.message()));
                    }
                }
                Ok(())
            });
        Ok(Self {
            number,
            opening,
            shared,
            sent: 0,
        })
    }

    pub(crate) fn act(&mut self, random: &Random, ledger: &Ledger) {
        let Some(ws) = self.shared.ws.borrow().clone() else {
            if random.percent(5) {
                ledger.count("a guest has not waited");
                self.opening.cancel();
            }
            return;
        };
        match random.number(0..14) {
            0 => ws.close(CloseCode::NORMAL, "enough"),
            1 => {
                ledger.count("a guest was lost");
                ws.abort();
            }
            // Errs if it is closed. Pauses are counted, so there is one at a time.
            2 if !self.shared.is_paused.get() => {
                self.shared.is_paused.set(ws.pause_reading().is_ok());
            }
            3 | 4 => self.resume(),
            5 => drop(ws.ping("x")),
            _ => {
                self.sent += 1;
                let size = random.one_of(&[0, 10, 500, 70_000]);
                let text = format!("{} {}", self.sent, "x".repeat(size));
                // Errs if it is closed.
                let _ = ws.send_text(text);
            }
        }
    }

    pub(crate) fn resume(&self) {
        if let (true, Some(ws)) = (self.shared.is_paused.take(), &*self.shared.ws.borrow()) {
            // Errs if it is closed.
            let _ = ws.resume_reading();
        }
    }

    /// Checks that it has got all messages of its room since it came, in their order, and as long
    /// as neither side has left.
    pub(crate) fn check(&self, ledger: &Ledger) {
        let of = |lists: &std::collections::BTreeMap<u64, Vec<String>>| {
            lists.get(&self.number).cloned().unwrap_or_default()
        };
        let (expected, received) = (of(&ledger.expected.borrow()), of(&ledger.received.borrow()));
        let has_left = ledger.left.borrow().contains_key(&self.number);
        let is_right = if has_left {
            expected.starts_with(&received)
        } else {
            expected == received
        };
        if !is_right {
            let short = |list: &[String]| -> Vec<String> {
                list.iter()
                    .map(|text| text.chars().take(12).collect())
                    .collect()
            };
            ledger.violation(format!(
                "member {} (has left: {has_left}) should have got {:?}, and has got {:?}",
                self.number,
                short(&expected),
                short(&received)
            ));
        }
        ledger.note(format!(
            "member {} got {} messages",
            self.number,
            received.len()
        ));
        if has_left {
            ledger.count("a member has left");
        } else {
            ledger.count("a member has stayed");
        }
    }

    pub(crate) fn leave(self) {
        self.opening.ignore();
        if let Some(ws) = self.shared.ws.take() {
            ws.close(CloseCode::NORMAL, "the end");
        }
    }
}

struct Side {
    number: u64,
    ledger: Rc<Ledger>,
}

impl WebSocketProtocol for Side {
    fn on_text(&mut self, _: &WebSocket, text: &str) -> Result<()> {
        let mut received = self.ledger.received.borrow_mut();
        received
            .entry(self.number)
            .or_default()
            .push(text.to_owned());
        Ok(())
    }

    fn on_close(&mut self, _: &WebSocket, event: &CloseEvent) {
        self.ledger
            .note(format!("member {} is closed: {event}", self.number));
        self.ledger
            .left
            .borrow_mut()
            .entry(self.number)
            .or_default()[1] += 1;
    }
}
