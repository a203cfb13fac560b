//! Joins two endpoints: each gets the output of the other, until both sides have finished.
//!
//! Twisted's counterpart: none; `connectProtocol` and `StandardIOEndpoint` are its parts.
//!
//! ```text
//! cargo run --example netcat -- tcp:127.0.0.1:8000
//! cargo run --example netcat -- tcp:127.0.0.1:8000 unix:/tmp/chat
//! cargo run --example netcat -- --listen unix:/tmp/once tls:example.org:443
//! ```

use std::process::ExitCode;

use clap::Parser;
use deferred::{Deferred, Result, gather};
use reactor::endpoint::{Accept, Begin, EndpointParser, PendingConnection};
use reactor::{
    Address, ClientEndpoint, Context, Protocol, Raw, Reactor, ReactorHandle, ServerEndpoint, pump,
};
use reactor_tls::WithTls;

/// Joins two endpoints, such as tcp:HOST:PORT, unix:PATH, tls:HOST:PORT, stdio: and fd:NUMBER.
#[derive(Parser)]
struct Args {
    /// The first endpoint.
    first: String,
    /// The second one.
    #[arg(default_value = "stdio:")]
    second: String,
    /// Waits for one connection at the first endpoint, instead of connecting to it.
    #[arg(long)]
    listen: bool,
}

// ANCHOR: join
/// One of the two ends. `pump` takes its input.
struct End;

impl Protocol for End {
    type Framing = Raw;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        // Until the other end is there.
        cx.pause_reading();
        Ok(())
    }
}

fn join(first: PendingConnection, second: PendingConnection) -> Deferred<()> {
    gather((first.start(End), second.start(End)))
        .add_callback(|(first, second)| {
            let closed = gather((first.closed(), second.closed()));
            // A half-close is carried over, and a slow end is not sent more than it takes. If one
            // of them breaks, its reason is that of the end.
            pump(&first, &second).ignore();
            pump(&second, &first).ignore();
            first.resume_reading()?;
            second.resume_reading()?;
            let closed = closed.add_callback(|(first, second)| {
                first.into_result()?;
                second.into_result()
            });
            Ok(closed)
        })
        .flatten()
}
// ANCHOR_END: join

/// Listens at `server` until the first connection has come, and gives that connection.
fn accept_one(reactor: &ReactorHandle, server: &dyn ServerEndpoint) -> Deferred<PendingConnection> {
    struct First(deferred::Trigger<PendingConnection>);

    impl Accept for First {
        fn accept(&mut self, _peer: &Address) -> Option<Begin> {
            let trigger = self.0.clone();
            Some(Box::new(move |connection| {
                // Errs if this is the second one, which is closed by that.
                let _ = trigger.callback(connection);
                deferred::succeed(())
            }))
        }
    }

    let (trigger, connection) = Deferred::pair();
    let listening = server.listen_with(reactor, Box::new(First(trigger)));
    listening.add_callback(|port| {
        eprintln!("listening on {}", port.address());
        connection.add_callback(move |connection| {
            port.stop_listening().ignore();
            Ok(connection)
        })
    })
}

fn main() -> std::result::Result<ExitCode, Box<dyn std::error::Error>> {
    let args = Args::parse();
    let parser = EndpointParser::new().with_tls();
    let reactor = Reactor::new()?;
    let first = if args.listen {
        accept_one(&reactor, &*parser.server(&args.first)?)
    } else {
        parser.client(&args.first)?.dial(&reactor)
    };
    let second = parser.client(&args.second)?;
    let handle = reactor.handle();
    let joined = first.add_callback(move |first| {
        second
            .dial(&handle)
            .add_callback(move |second| join(first, second))
    });
    match reactor.block_on(joined) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(failure) => {
            eprintln!("{failure}");
            Ok(ExitCode::FAILURE)
        }
    }
}
