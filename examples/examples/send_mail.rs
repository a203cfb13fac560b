//! Sends the text of standard input as mail, by a server that needs a login.
//!
//! Twisted's counterpart: `smtpclient_tls.py` of `twisted.mail`.
//!
//! ```text
//! cargo run --example send_mail -- --server mail.example.org --login eve --password password.txt \
//!     --from eve@example.org --subject Report bob@example.org < report.txt
//! ```

use std::fs;
use std::io::{self, Read};
use std::path::PathBuf;

use clap::Parser;
use mail_builder::MessageBuilder;
use reactor::{HostPort, Reactor};
use reactor_mail::SmtpClient;
use reactor_tls::{Roots, TlsClient};

/// Sends what is read from standard input as mail.
#[derive(Parser)]
struct Args {
    /// The host to send by; its certificate must be for this name.
    #[arg(long)]
    server: String,
    /// The port, where STARTTLS is used.
    #[arg(long, default_value_t = 587)]
    port: u16,
    /// A file of certificates to trust, instead of those of the system.
    #[arg(long)]
    roots: Option<PathBuf>,
    /// The name to log in with.
    #[arg(long, requires = "password")]
    login: Option<String>,
    /// A file with the password.
    #[arg(long)]
    password: Option<PathBuf>,
    /// The address of the sender.
    #[arg(long)]
    from: String,
    /// What the message is about.
    #[arg(long, default_value = "")]
    subject: String,
    /// The addresses of the recipients.
    #[arg(required = true)]
    to: Vec<String>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    let to: Vec<&str> = args.to.iter().map(String::as_str).collect();
    let message = MessageBuilder::new()
        .from(args.from.as_str())
        .to(to.clone())
        .subject(args.subject)
        .text_body(text)
        .write_to_vec()?;

    let reactor = Reactor::new()?;
    let mut tls = TlsClient::builder();
    if let Some(roots) = args.roots {
        tls = tls.roots(Roots::from_pem_file(roots)?);
    }
    let server = HostPort::from((args.server.as_str(), args.port));
    let mut client = SmtpClient::new(&reactor, server).with_tls(tls.build()?, &args.server)?;
    if let (Some(login), Some(password)) = (args.login, args.password) {
        client = client.with_login(login, fs::read_to_string(password)?.trim_end());
    }
    let sent = reactor.block_on(client.send(&args.from, &to, message))?;
    reactor.block_on(client.quit())?;
    for (address, reply) in sent.refused {
        println!("{address} was refused: {reply}");
    }
    println!("sent: {}", sent.reply);
    Ok(())
}
