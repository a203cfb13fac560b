//! Postfix between our SMTP client and our SMTP server.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::chown;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reactor::Reactor;
use reactor_mail::SmtpClient;
use tests::certificates::Pair;
use tests::{Directory, free_port, is_there, skip, wait_for};

use crate::support::{Inbox, server};

const MESSAGE: &str =
    "From: eve@example.org\r\nTo: bob@example.org\r\nSubject: dots\r\n\r\n.\r\n..two\r\nend\r\n";

/// A postfix of its own, which passes all mail on to one server.
struct Postfix {
    master: Child,
    port: u16,
    folder: Directory,
}

impl Postfix {
    /// `None` if it is not there, or may not be started.
    fn start(relay: u16) -> Option<Self> {
        let master = "/usr/lib/postfix/sbin";
        if !is_there(&format!("{master}/master")) || !rustix::process::geteuid().is_root() {
            skip("no postfix, or not root");
            return None;
        }
        let folder = Directory::new("postfix");
        let at = |name: &str| folder.path(name);
        for name in ["etc", "queue", "data"] {
            fs::create_dir(at(name)).expect("a directory");
        }
        // Its daemons give up root, and keep their locks there.
        let id = Command::new("id").args(["-u", "postfix"]).output();
        let id = String::from_utf8(id.expect("it runs").stdout).expect("a number");
        let id = id.trim().parse().expect("postfix has a user");
        chown(at("data"), Some(id), None).expect("root may");
        let port = free_port();
        let config = format!(
            "compatibility_level = 3.6\nqueue_directory = {queue}\ndata_directory = {data}\n\
             daemon_directory = {master}\ncommand_directory = /usr/sbin\n\
             inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmyhostname = relay.example.net\n\
             mydestination =\nmynetworks = 127.0.0.0/8\nrelayhost = [127.0.0.1]:{relay}\n\
             smtp_tls_security_level = encrypt\nmaillog_file = {log}\n\
             maillog_file_prefixes = {prefix}\nalias_maps =\nalias_database =\n",
            queue = at("queue"),
            data = at("data"),
            log = at("log"),
            prefix = at(""),
        );
        fs::write(at("etc/main.cf"), config).expect("it is written");
        let services = format!(
            "127.0.0.1:{port} inet n - n - - smtpd\npostlog unix-dgram n - n - 1 postlogd\n\
             cleanup unix n - n - 0 cleanup\nqmgr unix n - n 300 1 qmgr\n\
             rewrite unix - - n - - trivial-rewrite\nbounce unix - - n - 0 bounce\n\
             defer unix - - n - 0 bounce\ntrace unix - - n - 0 bounce\nsmtp unix - - n - - smtp\n\
             relay unix - - n - - smtp\nproxymap unix - - n - - proxymap\n\
             anvil unix - - n - 1 anvil\nscache unix - - n - 1 scache\n\
             tlsmgr unix - - n 1000? 1 tlsmgr\nerror unix - - n - - error\n\
             retry unix - - n - - error\n"
        );
        fs::write(at("etc/master.cf"), services).expect("it is written");
        let mut command = Command::new("postfix");
        command.args(["-c", &at("etc"), "start-fg"]);
        let child = command.stderr(Stdio::null()).spawn();
        let postfix = Self {
            master: child.expect("it starts"),
            port,
            folder,
        };
        wait_for("postfix", || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Some(postfix)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path("log")).unwrap_or_default()
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        let etc = self.folder.path("etc");
        // Its processes end with the master, which is asked to stop, not killed. Errs if it has
        // ended already.
        let _ = Command::new("postfix")
            .args(["-c", &etc, "stop"])
            .stderr(Stdio::null())
            .status();
        let _ = self.master.wait();
    }
}

/// Runs the loop until postfix has delivered `count` messages.
fn wait_for_messages(reactor: &Reactor, inbox: &Inbox, count: usize, postfix: &Postfix) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while inbox.messages().len() < count {
        assert!(Instant::now() < deadline, "{}", postfix.log());
        let turn = reactor.turn(Some(Duration::from_millis(100)));
        turn.expect("the loop turns");
    }
}

#[test]
fn postfix_passes_mail_on_from_the_client_to_the_server() {
    let reactor = Reactor::new().expect("a reactor");
    let (inbox, server) = server();
    let server = server.with_tls(Pair::new("localhost").server());
    let listening = reactor.listen_tcp("127.0.0.1:0", server);
    let listening = listening.expect("a port");
    let Some(postfix) = Postfix::start(listening.address().port()) else {
        return;
    };
    let client = SmtpClient::new(&reactor, format!("127.0.0.1:{}", postfix.port));
    let client = client.with_hello("localhost");
    let send = |to: &[&str], message: String| {
        let sent = client.send("eve@example.org", to, message);
        let sent = sent.add_timeout(Duration::from_secs(60), &*reactor);
        let sent = reactor.block_on(sent).expect("it is taken");
        assert!(sent.refused.is_empty());
    };

    send(&["bob@example.org", "ann@example.org"], MESSAGE.to_owned());
    wait_for_messages(&reactor, &inbox, 1, &postfix);
    let (envelope, text) = inbox.0.delivered.borrow_mut().remove(0);
    assert!(envelope.is_encrypted, "STARTTLS");
    let from = envelope.from.expect("a sender").to_string();
    let mut to: Vec<_> = envelope
        .to
        .iter()
        .map(|to| to.address.to_string())
        .collect();
    // In which order, postfix decides.
    to.sort();
    assert_eq!(
        (from.as_str(), to),
        (
            "eve@example.org",
            vec!["ann@example.org".to_owned(), "bob@example.org".to_owned()]
        )
    );
    let text = String::from_utf8(text).expect("text");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    assert_eq!(body, ".\r\n..two\r\nend\r\n");
    assert!(head.contains("by relay.example.net (Postfix)"), "{head}");

    // A large one, and bytes above 127.
    let large = format!(
        "Subject: large\r\n\r\n{}",
        ".gr\u{fc}n ................................................\r\n".repeat(30_000)
    );
    send(&["bob@example.org"], large.clone());
    wait_for_messages(&reactor, &inbox, 1, &postfix);
    let (envelope, text) = inbox.0.delivered.borrow_mut().remove(0);
    assert!(envelope.is_8bit);
    let body = large.split_once("\r\n\r\n").expect("a head").1;
    assert!(text.ends_with(body.as_bytes()));

    // What the server refuses, postfix reports to the sender.
    send(&["nobody@example.org"], MESSAGE.to_owned());
    wait_for_messages(&reactor, &inbox, 1, &postfix);
    let (envelope, text) = inbox.0.delivered.borrow_mut().remove(0);
    assert!(envelope.from.is_none(), "it is a bounce");
    assert_eq!(envelope.to[0].address.to_string(), "eve@example.org");
    let text = String::from_utf8(text).expect("text");
    assert!(text.contains("5.1.1 no such user"), "{text}");
    reactor.block_on(client.quit()).expect("it is closed");
}
