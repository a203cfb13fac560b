//! Chat server: the first line is a name; each further line goes to all other clients.
//!
//! Twisted's counterpart: `chat.py` of "Writing Servers".
//!
//! ```text
//! cargo run --example line_chat -- --listen 127.0.0.1:8123
//! nc 127.0.0.1 8123
//! ```

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use clap::Parser;
use reactor::{Connection, ConnectionClosed, Context, Lines, Protocol, Reactor};

/// A chat server.
#[derive(Parser)]
struct Args {
    /// The address and port to listen on; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:8123")]
    listen: String,
}

/// The clients by name, shared by all protocols.
#[derive(Clone, Default)]
struct Room(Rc<RefCell<BTreeMap<String, Connection<Guest>>>>);

impl Room {
    fn tell_all_but(&self, name: &str, text: &str) {
        for (_, guest) in self.0.borrow().iter().filter(|(other, _)| *other != name) {
            // Errs if that client has just disconnected; then it needs no line.
            let _ = guest.send_line(text);
        }
    }
}

struct Guest {
    room: Room,
    name: Option<String>,
}

impl Guest {
    fn new(room: Room) -> Self {
        Self { room, name: None }
    }

    fn register(&mut self, cx: &mut Context<'_, Self>, name: String) {
        if name.is_empty() {
            return cx.send_line("What's your name?");
        }
        if self.room.0.borrow().contains_key(&name) {
            return cx.send_line("Name taken, please choose another.");
        }
        cx.send_line(format!("Welcome, {name}!"));
        self.room
            .0
            .borrow_mut()
            .insert(name.clone(), cx.connection());
        self.room
            .tell_all_but(&name, &format!("{name} has joined."));
        self.name = Some(name);
    }
}

impl Protocol for Guest {
    type Framing = Lines;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
        cx.send_line("What's your name?");
        Ok(())
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> deferred::Result<()> {
        let line = String::from_utf8_lossy(line).into_owned();
        match &self.name {
            None => self.register(cx, line),
            Some(name) => self.room.tell_all_but(name, &format!("<{name}> {line}")),
        }
        Ok(())
    }

    fn connection_lost(&mut self, _cx: &mut Context<'_, Self>, _reason: ConnectionClosed) {
        if let Some(name) = self.name.take() {
            self.room.0.borrow_mut().remove(&name);
            self.room.tell_all_but(&name, &format!("{name} has left."));
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let reactor = Reactor::new()?;
    let room = Room::default();
    let port = reactor.listen_tcp(&args.listen, move || Guest::new(room.clone()))?;
    reactor.call_when_running(move || println!("listening on {}", port.address()));
    reactor.run_until_signal()?;
    Ok(())
}
