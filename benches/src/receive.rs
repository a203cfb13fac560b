//! `receive`: what SMTP servers take of the processor for 10,000 messages of 4 KiB: ours, aiosmtpd, and
//! postfix's `smtpd`. Each is a process of its own; the client is the same.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use deferred::{Deferred, succeed};
use reactor::Reactor;
use reactor_mail::{Delivery, Envelope, Message, Recipient, SmtpServer};

use crate::postfix::Postfix;
use crate::stats::{Estimate, ratios};
use crate::table::Table;

/// How to measure SMTP servers.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// A few seconds in all: shows that it works, not how fast it is
    #[arg(long)]
    short: bool,
    /// Rounds: in each, every server gets all messages
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Messages in a round
    #[arg(long, default_value_t = 10_000)]
    messages: usize,
    /// Be our server: prints its port
    #[arg(long)]
    serve: bool,
}

impl Options {
    /// What continuous integration runs.
    pub(crate) fn short() -> Self {
        Self {
            short: true,
            rounds: 1,
            messages: 50,
            serve: false,
        }
    }
}

/// As ours: keeps a message in memory, and drops it at its end.
const AIOSMTPD: &str = r"
import asyncio
from aiosmtpd.smtp import SMTP

class Handler:
    async def handle_DATA(self, server, session, envelope):
        return '250 2.0.0 taken'

loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
server = loop.run_until_complete(
    loop.create_server(lambda: SMTP(Handler(), loop=loop), '127.0.0.1', 0))
print(server.sockets[0].getsockname()[1], flush=True)
loop.run_forever()
";

struct Memory;

impl Delivery for Memory {
    fn validate_to(&self, _: &Envelope, _: &Recipient) -> Deferred<()> {
        succeed(())
    }

    fn begin(&self, _: &Envelope) -> Deferred<Box<dyn Message>> {
        succeed(Box::new(Text(Vec::new())))
    }
}

struct Text(Vec<u8>);

impl Message for Text {
    fn data(&mut self, data: &[u8]) -> Deferred<()> {
        self.0.extend_from_slice(data);
        succeed(())
    }

    fn end(self: Box<Self>) -> Deferred<()> {
        succeed(())
    }
}

fn serve() -> Result<(), Box<dyn Error>> {
    let reactor = Reactor::new()?;
    let port = reactor.listen_tcp("127.0.0.1:0", SmtpServer::new("localhost", Memory))?;
    println!("{}", port.address().port());
    Ok(reactor.run()?)
}

/// A server in a process of its own, which is killed in the end.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(command: &mut Command) -> Result<Self, Box<dyn Error>> {
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().ok_or("no pipe")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let port = line.trim().parse()?;
        Ok(Self { child, port })
    }

    /// Processor time of its main thread, in which it does everything, in nanoseconds.
    fn cpu_time(&self) -> Result<f64, Box<dyn Error>> {
        let text = std::fs::read_to_string(format!("/proc/{}/schedstat", self.child.id()))?;
        Ok(text.split(' ').next().ok_or("an empty file")?.parse()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Errs if it has ended by itself: then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends messages over one connection; gives the processor time of the server for one, in µs. `cpu_time`
/// tells it in ns.
fn time_of(
    port: u16,
    cpu_time: impl Fn() -> Result<f64, Box<dyn Error>>,
    messages: usize,
) -> Result<f64, Box<dyn Error>> {
    let mut line = [b'x'; 64];
    line[62..].copy_from_slice(b"\r\n");
    let mut text = line.repeat(64);
    text.extend_from_slice(b".\r\n");
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    let mut replies = BufReader::new(stream.try_clone()?).lines();
    let mut wait_for = |codes: &[&str]| -> Result<(), Box<dyn Error>> {
        for code in codes {
            loop {
                let line = replies.next().ok_or("it hung up")??;
                if !line.starts_with(code) {
                    return Err(format!("{line} instead of {code}").into());
                }
                if line.as_bytes().get(3) == Some(&b' ') {
                    break;
                }
            }
        }
        Ok(())
    };
    wait_for(&["220"])?;
    stream.write_all(b"EHLO localhost\r\n")?;
    wait_for(&["250"])?;
    let start = cpu_time()?;
    for _ in 0..messages {
        // aiosmtpd does not offer PIPELINING.
        for (command, code) in [
            ("MAIL FROM:<eve@example.org>\r\n", "250"),
            ("RCPT TO:<bob@example.org>\r\n", "250"),
            ("DATA\r\n", "354"),
        ] {
            stream.write_all(command.as_bytes())?;
            wait_for(&[code])?;
        }
        stream.write_all(&text)?;
        wait_for(&["250"])?;
    }
    Ok((cpu_time()? - start) / 1e3 / messages as f64)
}

pub(crate) fn run(options: Options) -> Result<(), Box<dyn Error>> {
    if options.serve {
        return serve();
    }
    let options = if options.short {
        Options::short()
    } else {
        options
    };
    let has_peer = Command::new("python3")
        .args(["-c", "import aiosmtpd.smtp"])
        .stderr(Stdio::null())
        .status();
    if !has_peer.is_ok_and(|status| status.success()) {
        println!("receive: aiosmtpd is not installed; nothing is measured");
        return Ok(());
    }
    let own = std::env::current_exe()?;
    let ours = Server::start(Command::new(own).args(["receive", "--serve"]))?;
    let peer = Server::start(Command::new("python3").args(["-c", AIOSMTPD]))?;
    let postfix = Postfix::start()?;
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..options.rounds {
        for (times, server) in times.iter_mut().zip([&ours, &peer]) {
            times.push(time_of(
                server.port,
                || server.cpu_time(),
                options.messages,
            )?);
        }
        if let Some(postfix) = &postfix {
            let time = time_of(postfix.port, || postfix.cpu_time(), options.messages)?;
            times[2].push(time);
        }
    }
    let [ours, peer, postfix] = times;
    let mut table = Table::new([
        "CPU a message, µs",
        "ours",
        "aiosmtpd",
        "ours to aiosmtpd",
        "postfix's smtpd",
    ]);
    let median = |times: &[f64]| format!("{:.1}", Estimate::of(times).median);
    table.row([
        format!("{} messages of 4 KiB", options.messages),
        median(&ours),
        median(&peer),
        Estimate::of(&ratios(&ours, &peer)).text(),
        match postfix.is_empty() {
            true => "not there".to_owned(),
            false => median(&postfix),
        },
    ]);
    table.print();
    Ok(())
}
