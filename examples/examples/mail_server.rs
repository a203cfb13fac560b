//! A mail server: SMTP in, Maildir, IMAP out. Mail programs read and file what comes.
//!
//! Each `--user` has an address at `--domain` and a Maildir below `--folder`. SMTP takes mail for
//! these users only: the server is not a relay. With `--certificate` and `--key`, both ports
//! offer STARTTLS. Without them, IMAP takes passwords in the clear, so it listens on a loopback
//! address only.
//!
//! Twisted's counterpart: `twistd mail --smtp tcp:8025 --pop3 tcp:8110 --maildirdbmdomain
//! example.org=/tmp/mail`.
//!
//! ```text
//! cargo run --example mail_server -- --folder /tmp/mail --domain example.org --user bob:sesame
//! curl --mail-from eve@example.org --mail-rcpt bob@example.org -T README.md smtp://localhost:8025
//! curl -u bob:sesame "imap://localhost:8143/INBOX;MAILINDEX=1"
//! ```

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;

use clap::Parser;
use reactor::Reactor;
use reactor_mail::{ImapServer, Maildir, MaildirDelivery, MaildirLogin, SmtpServer};
use reactor_tls::{Identity, TlsServer};

/// Receives mail by SMTP, and lets users read it by IMAP.
#[derive(Parser)]
struct Args {
    /// The address and port for SMTP; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:8025")]
    listen: SocketAddr,
    /// The address and port for IMAP.
    #[arg(long, default_value = "127.0.0.1:8143")]
    imap: SocketAddr,
    /// The folder with the users' Maildirs.
    #[arg(long)]
    folder: PathBuf,
    /// The domain of the users' addresses.
    #[arg(long, default_value = "localhost")]
    domain: String,
    /// A user, as `name:password`.
    #[arg(long = "user", value_parser = user, required = true)]
    users: Vec<(String, String)>,
    /// The certificate in PEM, for STARTTLS.
    #[arg(long, requires = "key")]
    certificate: Option<PathBuf>,
    /// The private key in PEM.
    #[arg(long, requires = "certificate")]
    key: Option<PathBuf>,
}

/// Parses a user. The name becomes the name of a folder, so it may have only letters and digits.
fn user(text: &str) -> Result<(String, String), &'static str> {
    let (name, password) = text.split_once(':').ok_or("no password")?;
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric());
    let user = (name.to_lowercase(), password.to_owned());
    is_name
        .then_some(user)
        .ok_or("a name is letters and digits")
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let reactor = Reactor::new()?;
    std::fs::create_dir_all(&args.folder)?;
    let users: Rc<HashMap<_, _>> = Rc::new(args.users.into_iter().collect());
    let maildir = move |name: &str| Maildir::new(args.folder.join(name));

    // ANCHOR: server
    let (names, domain, folder) = (Rc::clone(&users), args.domain.clone(), maildir.clone());
    let delivery = MaildirDelivery::new(&reactor, move |to| {
        let name = to.local_part().to_lowercase();
        let is_user = to.domain().eq_ignore_ascii_case(&domain) && names.contains_key(&name);
        is_user.then(|| folder(&name))
    });
    let login = MaildirLogin::new(&reactor, move |name, password| {
        let name = name.to_lowercase();
        let is_right = users.get(&name).is_some_and(|right| right == password);
        is_right.then(|| maildir(&name))
    });
    let mut smtp = SmtpServer::new(&args.domain, delivery);
    let mut imap = ImapServer::new(&args.domain, login);
    // ANCHOR_END: server

    if let (Some(certificate), Some(key)) = (args.certificate, args.key) {
        let identity = Identity::from_pem_files(certificate, key)?;
        let tls = TlsServer::builder().identity(identity).build()?;
        (smtp, imap) = (smtp.with_tls(tls.clone()), imap.with_tls(tls));
    } else if args.imap.ip().is_loopback() {
        imap = imap.dangerously_with_login_in_the_clear();
    } else {
        return Err("without --certificate and --key, --imap must be on loopback".into());
    }

    let smtp = reactor.listen_tcp(args.listen, smtp)?;
    let imap = reactor.listen_tcp(args.imap, imap)?;
    reactor.call_when_running(move || {
        println!("listening on {}", smtp.address());
        println!("imap on {}", imap.address());
    });
    reactor.run_until_signal()?;
    Ok(())
}
