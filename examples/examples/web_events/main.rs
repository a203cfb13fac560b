//! A live chart: events that the server sends to all browsers as they happen.
//! The temperature of a room follows the target, which any visitor may set; all pages
//! draw it.
//! Twisted's counterpart: none; a program for Twisted writes to a `Request` by hand.
//!
//! ```text
//! cargo run --example web_events -- --listen 127.0.0.1:8080
//! curl -N localhost:8080/events
//! curl -d degrees=25 localhost:8080/target
//! ```

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use clap::Parser;
use deferred::LoopingCall;
use reactor::Reactor;
use reactor_web::{App, Event, EventFeed, Html, serve};

const PAGE: &str = include_str!("page.html");

/// Shows the temperature of a room, live.
#[derive(Parser)]
struct Args {
    /// The address and port to listen on; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: std::net::SocketAddr,
}

// ANCHOR: room
struct Room {
    temperature: Cell<f64>,
    target: Cell<f64>,
    measured: Cell<u64>,
    feed: EventFeed,
}

impl Room {
    fn measure(&self) {
        let (before, target) = (self.temperature.get(), self.target.get());
        let now = before + (target - before) / 10.0;
        self.temperature.set(now);
        self.measured.set(self.measured.get() + 1);
        let data = format!("{{\"temperature\": {now:.2}, \"target\": {target:.1}}}");
        let event = Event::data(data).with_id(self.measured.get().to_string());
        self.feed.send(&event);
    }
}
// ANCHOR_END: room

// ANCHOR: app
#[derive(serde::Deserialize)]
struct Target {
    degrees: f64,
}

fn app(room: &Rc<Room>) -> App {
    let (shown, changed) = (Rc::clone(room), Rc::clone(room));
    App::new()
        .get("/", |_| Html(PAGE))
        .get("/events", move |req| {
            // A browser that is new here gets what is kept from the beginning on.
            let last = req.last_event_id().unwrap_or("0");
            shown.feed.subscribe_after(&req, last)
        })
        .post("/target", move |req| {
            let room = Rc::clone(&changed);
            req.form().add_callback(move |Target { degrees }| {
                room.target.set(degrees.clamp(5.0, 30.0));
                Ok(())
            })
        })
}
// ANCHOR_END: app

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let reactor = Reactor::new()?;
    let room = Rc::new(Room {
        temperature: Cell::new(12.0),
        target: Cell::new(20.0),
        measured: Cell::new(0),
        feed: EventFeed::with_history(120),
    });
    let endpoint = reactor::options::TcpListenOptions::from(args.listen);
    let port = reactor.block_on(serve(&reactor, endpoint, app(&room)))?;
    let measuring = LoopingCall::new(move || room.measure());
    let running = measuring.start(&reactor, Duration::from_millis(500))?;
    running.log_error().ignore();
    reactor.call_when_running(move || println!("listening on {}", port.address()));
    reactor.run_until_signal()?;
    measuring.stop();
    Ok(())
}
