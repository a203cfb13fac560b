//! A client that stays connected: it connects again when the server restarts, and logs in anew each
//! time. The server of this example answers only clients that have logged in.
//!
//! Twisted's counterpart: `ClientService`, with `prepareConnection`.
//!
//! ```text
//! cargo run --example reconnecting_client -- --listen 127.0.0.1:6380 &
//! cargo run --example reconnecting_client -- --to tcp:127.0.0.1:6380
//! ```

use std::collections::VecDeque;
use std::time::Duration;

use clap::Parser;
use deferred::{Deferred, Failure, LoopingCall, Result, Trigger};
use reactor::{Backoff, ClientService, Context, Lines, Protocol, Reactor, ReactorHandle};

/// Stays connected to a server, and asks it for something every second.
#[derive(Parser)]
struct Args {
    /// Serves at this address and port; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:6380")]
    listen: String,
    /// Connects to this endpoint, instead of serving.
    #[arg(long)]
    to: Option<String>,
    /// The password that the server wants.
    #[arg(long, default_value = "secret")]
    password: String,
    /// The time between two questions, in milliseconds.
    #[arg(long, default_value_t = 1000)]
    every: u64,
}

// ANCHOR: client
/// Sends commands, one line each. The answers come in the same order.
#[derive(Default)]
struct Client {
    unanswered: VecDeque<Trigger<String>>,
}

impl Client {
    fn ask(&mut self, cx: &mut Context<'_, Self>, command: &str) -> Deferred<String> {
        let (trigger, answer) = Deferred::pair();
        cx.send_line(command);
        // If the connection is lost, the trigger is dropped with the protocol, and the Deferred
        // fails.
        self.unanswered.push_back(trigger);
        answer
    }
}

impl Protocol for Client {
    type Framing = Lines;

    fn received(&mut self, _cx: &mut Context<'_, Self>, line: &[u8]) -> Result<()> {
        let trigger = self.unanswered.pop_front();
        let trigger = trigger.ok_or_else(|| Failure::msg("an answer without a question"))?;
        let answer = String::from_utf8(line.to_vec())?;
        // Errs if the question was cancelled; then the answer is of no use.
        let _ = trigger.callback(answer);
        Ok(())
    }
}

fn connect(reactor: &ReactorHandle, server: String, password: String) -> ClientService<Client> {
    let log_in = format!("AUTH {password}");
    ClientService::builder(server, Client::default)
        .backoff(
            Backoff::new()
                .initial(Duration::from_millis(100))
                .max(Duration::from_secs(5)),
        )
        // Runs on each new connection, before `when_connected` gives it to anything else.
        .prepare(move |connection| {
            let log_in = log_in.clone();
            let answer = connection.call(move |client, cx| client.ask(cx, &log_in));
            answer.add_callback(|answer| match &*answer {
                "OK" => {
                    println!("logged in");
                    Ok(())
                }
                _ => Err(Failure::msg(answer)),
            })
        })
        .start(reactor)
}
// ANCHOR_END: client

/// Asks every so often; a question waits for the connection.
fn ask_on(reactor: &ReactorHandle, service: &ClientService<Client>, every: Duration) -> Result<()> {
    let service = service.clone();
    let asking = LoopingCall::new(move || {
        service
            .when_connected()
            .add_callback(|connection| connection.call(|client, cx| client.ask(cx, "TIME")))
            .add_both(|answer| match answer {
                Ok(answer) => println!("{answer}"),
                Err(_lost) => println!("no answer"),
            })
    });
    // It errs only if it is started already.
    asking.start(reactor, every)?.ignore();
    Ok(())
}

/// The server: counts the questions of each client.
struct Server {
    password: String,
    is_logged_in: bool,
    questions: u32,
}

impl Protocol for Server {
    type Framing = Lines;

    fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> Result<()> {
        let line = String::from_utf8_lossy(line);
        match line.split_once(' ') {
            Some(("AUTH", password)) if password == self.password => {
                self.is_logged_in = true;
                cx.send_line("OK");
            }
            Some(("AUTH", _)) => {
                println!("refused a client");
                cx.send_line("wrong password");
            }
            _ if self.is_logged_in => {
                self.questions += 1;
                cx.send_line(format!("answer {}", self.questions));
            }
            _ => cx.send_line("log in first"),
        }
        Ok(())
    }
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let reactor = Reactor::new()?;
    if let Some(server) = args.to {
        let service = connect(&reactor, server, args.password);
        ask_on(&reactor, &service, Duration::from_millis(args.every))?;
    } else {
        let password = args.password;
        let server = move || Server {
            password: password.clone(),
            is_logged_in: false,
            questions: 0,
        };
        let port = reactor.listen_tcp(&args.listen, server)?;
        reactor.call_when_running(move || println!("listening on {}", port.address()));
    }
    reactor.run_until_signal()?;
    Ok(())
}
