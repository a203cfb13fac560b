//! A mail queue on disk: takes messages by SMTP, and sends them to another server, again and again
//! until that takes them; the queue survives a crash.
//!
//! Twisted's counterpart: `twisted.mail.relaymanager`.
//!
//! ```text
//! cargo run --example mail_queue -- --listen 127.0.0.1:2525 --server 127.0.0.1:25 --folder /tmp/queue
//! ```

mod queue;

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use clap::Parser;
use deferred::{Deferred, succeed};
use reactor::Reactor;
use reactor_mail::{Delivery, Envelope, Message, Recipient, SmtpClient, SmtpServer};

use crate::queue::{Mail, Queue};

/// Keeps mail until another server takes it.
#[derive(Parser)]
struct Args {
    /// The address and port to listen on; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:2525")]
    listen: String,
    /// The server that gets the messages.
    #[arg(long)]
    server: String,
    /// The folder of the queue.
    #[arg(long)]
    folder: PathBuf,
    /// Seconds to wait after each attempt that fails.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "60,300,900,3600,14400,86400"
    )]
    retry_after: Vec<f64>,
}

// ANCHOR: delivery
/// Puts all messages into the queue, and answers "250" when a message is on disk.
struct Relay(Rc<Queue>);

impl Delivery for Relay {
    fn validate_to(&self, _: &Envelope, _: &Recipient) -> Deferred<()> {
        succeed(()) // listen where only your own programs can connect
    }

    fn begin(&self, envelope: &Envelope) -> Deferred<Box<dyn Message>> {
        let from = envelope.from.as_ref().map(ToString::to_string);
        let to = envelope.to.iter().map(|to| to.address.to_string());
        let mail = Mail {
            from: from.unwrap_or_default(),
            to: to.collect(),
            text: Vec::new(),
        };
        succeed(Box::new(Incoming(Rc::clone(&self.0), mail)))
    }
}

struct Incoming(Rc<Queue>, Mail);

impl Message for Incoming {
    fn data(&mut self, data: &[u8]) -> Deferred<()> {
        self.1.text.extend_from_slice(data);
        succeed(())
    }

    fn end(self: Box<Self>) -> Deferred<()> {
        self.0.put(&self.1)
    }
}
// ANCHOR_END: delivery

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let delays = args
        .retry_after
        .into_iter()
        .map(Duration::try_from_secs_f64);
    let delays = delays.collect::<Result<Vec<_>, _>>()?;
    let reactor = Reactor::new()?;
    let client = SmtpClient::new(&reactor, args.server);
    let queue = Queue::open(&reactor, args.folder, client, delays)?;
    let port = reactor.listen_tcp(&args.listen, SmtpServer::new("localhost", Relay(queue)))?;
    reactor.call_when_running(move || println!("listening on {}", port.address()));
    reactor.run_until_signal()?;
    Ok(())
}
