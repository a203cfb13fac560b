//! Prints the subject of each message that arrives in a mailbox, as soon as the server says so.
//!
//! Twisted's counterpart: `imap4client.py`, which lists the subjects of a mailbox once.
//!
//! ```text
//! export IMAP_PASSWORD=sesame
//! cargo run --example imap_watch -- imap.example.org:993 eve
//! ```

use std::env;

use clap::Parser;
use deferred::Result;
use reactor::{Reactor, ReactorHandle};
use reactor_mail::imap_types::fetch::MessageDataItemName;
use reactor_mail::{ImapClient, ImapEvent, ImapMessage, ImapMessages};
use reactor_tls::{Roots, TlsClient};

/// Prints the subjects of new messages. The password is in the variable IMAP_PASSWORD.
#[derive(Parser)]
struct Args {
    /// Host and port of the server, which speaks TLS from the beginning.
    server: String,
    /// The name to log in with.
    user: String,
    /// The mailbox to watch.
    #[arg(long, default_value = "INBOX")]
    mailbox: String,
    /// A file with the certificate to trust, if the system does not.
    #[arg(long)]
    certificate: Option<String>,
}

fn print_subject(message: ImapMessage) {
    let subject = message.envelope().and_then(|it| it.subject.0.as_ref());
    let subject = subject.map_or(&b"(no subject)"[..], AsRef::as_ref);
    println!("{}", String::from_utf8_lossy(subject));
}

async fn watch(reactor: ReactorHandle, args: Args) -> Result<()> {
    let mut tls = TlsClient::builder();
    if let Some(certificate) = args.certificate {
        tls = tls.roots(Roots::from_pem_file(certificate)?);
    }
    let name = args.server.rsplit_once(':').map_or("", |(name, _)| name);
    let endpoint = tls.build()?.endpoint(name, args.server.as_str())?;
    let client = ImapClient::connect(&reactor, endpoint).await?;
    client
        .login(&args.user, &env::var("IMAP_PASSWORD")?)
        .await?;
    let mut known = client.select(&args.mailbox).await?.exists;
    println!("{known} messages");
    let fetcher = client.clone();
    client.on_event(move |event| match event {
        ImapEvent::Exists(count) => {
            if count > known {
                let new = format!("{}:{count}", known + 1);
                let new = ImapMessages::numbers(new.as_str());
                let subject = vec![MessageDataItemName::Envelope];
                fetcher.fetch_each(new, subject, print_subject).detach();
            }
            known = count;
        }
        ImapEvent::Expunged(_) => known = known.saturating_sub(1),
        _ => {}
    });
    client.idle().await
}

fn main() -> Result<()> {
    let args = Args::parse();
    let reactor = Reactor::new()?;
    reactor.block_on(reactor.spawn(watch(reactor.handle(), args)))
}
