//! `mail_server`: mail that comes by SMTP is read by IMAP, while the server runs and after a restart.

use std::fs;

use deferred::{Deferred, Result};
use reactor::{Reactor, ReactorHandle};
use reactor_mail::imap_types::fetch::MessageDataItemName;
use reactor_mail::imap_types::flag::{Flag, StoreType};
use reactor_mail::{ImapClient, ImapEvent, ImapMessages, SmtpClient};
use reactor_tls::TlsClient;
use rustix::process::Signal;
use tests::Directory;
use tests::certificates::Pair;

use crate::program::Program;

/// Starts the server; gives the addresses for SMTP and IMAP, too.
fn serve(folder: &Directory) -> (Program, String, String) {
    let (mail, certificate, key) = (folder.path("mail"), folder.path("cert"), folder.path("key"));
    let args = [
        ["--imap", "127.0.0.1:0"],
        ["--folder", &mail],
        ["--domain", "example.org"],
        ["--user", "bob:sesame"],
        ["--user", "eve:open"],
        ["--certificate", &certificate],
        ["--key", &key],
    ];
    let (mut server, smtp) = Program::serve_with("mail_server", &args.concat());
    let line = server.line();
    let imap = line.strip_prefix("imap on ").expect("it says where");
    (server, smtp, imap.to_owned())
}

fn send(client: &SmtpClient, subject: &str) -> Deferred<reactor_mail::Sent> {
    let message = format!("Subject: {subject}\r\n\r\nThis is {subject}.\r\n");
    let to = ["bob@example.org", "mallory@example.org"];
    client.send("eve@example.org", &to, message)
}

/// Opens bob's mailbox for mail; gives how many messages it has.
async fn open(reactor: ReactorHandle, imap: String, tls: TlsClient) -> Result<(ImapClient, u32)> {
    let builder = ImapClient::builder().with_starttls(&tls, "localhost");
    let client = builder.connect(&reactor, imap.as_str()).await?;
    client.login("bob", "sesame").await?;
    let exists = client.select("INBOX").await?.exists;
    Ok((client, exists))
}

/// Waits for a message while it idles; gives the number of it.
async fn next_message(client: &ImapClient) -> Result<u32> {
    let (trigger, came) = Deferred::pair();
    let mut trigger = Some(trigger);
    client.on_event(move |event| {
        if let (ImapEvent::Exists(count), Some(trigger)) = (event, trigger.take()) {
            trigger.callback(count).expect("it is awaited");
        }
    });
    client.idle().detach();
    let count = came.await?;
    client.idle_done();
    Ok(count)
}

async fn subject(client: &ImapClient, number: u32) -> Result<String> {
    let messages = ImapMessages::numbers(number.to_string().as_str());
    let items = vec![MessageDataItemName::Envelope, MessageDataItemName::Rfc822];
    let fetched = client.fetch(messages, items).await?;
    let subject = fetched[0].envelope().and_then(|it| it.subject.0.as_ref());
    let subject = String::from_utf8_lossy(subject.map_or(&b""[..], AsRef::as_ref)).into_owned();
    let body = String::from_utf8_lossy(fetched[0].body().unwrap_or_default()).into_owned();
    assert!(body.contains("Received: from "), "{body}");
    assert!(
        body.ends_with(&format!("\r\n\r\nThis is {subject}.\r\n")),
        "{body}"
    );
    Ok(subject)
}

#[test]
fn mail_that_comes_by_smtp_is_read_by_imap() {
    let folder = Directory::new("mail-server");
    let pair = Pair::new("localhost");
    fs::write(folder.path("cert"), &pair.certificate).expect("it is written");
    fs::write(folder.path("key"), &pair.key).expect("it is written");
    let tls = pair.client();

    let reactor = Reactor::new().expect("a reactor");
    let (server, smtp, imap) = serve(&folder);
    let handle = reactor.handle();
    let task_tls = tls.clone();
    let task = reactor.spawn(async move {
        let smtp = SmtpClient::new(&handle, smtp).with_tls(task_tls.clone(), "localhost")?;
        let sent = send(&smtp, "one").await?;
        assert_eq!(sent.refused.len(), 1, "{sent:?}");

        let (client, exists) = open(handle, imap, task_tls).await?;
        assert_eq!(exists, 1);
        assert_eq!(subject(&client, 1).await?, "one");

        // What comes later is announced.
        send(&smtp, "two").await?;
        assert_eq!(next_message(&client).await?, 2);
        assert_eq!(subject(&client, 2).await?, "two");

        client.create("Done").await?;
        let first = || ImapMessages::numbers("1");
        client.copy(first(), "Done").await?;
        client
            .store(first(), StoreType::Add, vec![Flag::Deleted])
            .await?;
        client.expunge().await?;
        smtp.quit().await?;
        client.logout().await
    });
    reactor.block_on(task).expect("all is as it should be");
    server.send(Signal::TERM);
    server.end().succeeded();

    // All of it is on disk.
    let (server, _, imap) = serve(&folder);
    let handle = reactor.handle();
    let task = reactor.spawn(async move {
        let (client, exists) = open(handle, imap, tls).await?;
        assert_eq!(exists, 1);
        assert_eq!(subject(&client, 1).await?, "two");
        assert_eq!(client.select("Done").await?.exists, 1);
        assert_eq!(subject(&client, 1).await?, "one");
        client.logout().await
    });
    reactor.block_on(task).expect("all is as it should be");
    server.send(Signal::TERM);
    server.end().succeeded();
}

#[test]
fn passwords_in_the_clear_are_for_loopback_alone() {
    let directory = Directory::new("mail-server-clear");
    let mail = directory.path("mail");
    let start = |imap: &str, more: &[&str]| {
        let args = ["--listen", "127.0.0.1:0", "--imap", imap, "--folder", &mail];
        Program::run(
            "mail_server",
            &[&args[..], &["--user", "bob:sesame"], more].concat(),
        )
    };
    start("0.0.0.0:0", &[]).failed_over("must be on loopback");
    // Half of what TLS takes is not taken for none.
    start("127.0.0.1:0", &["--key", "key"]).failed_over("--certificate");
    start("127.0.0.1:0", &["--certificate", "certificate"]).failed_over("--key");
}
