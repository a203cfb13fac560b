//! The queue of the example `mail_queue`, on the virtual clock.

#[path = "../../examples/examples/mail_queue/queue.rs"]
mod of_the_example;

use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use reactor::testing::{self, TestReactor};
use reactor_mail::{SmtpClient, SmtpReply};
use tests::Directory;

use self::of_the_example::{Mail, Queue};
use crate::support::{Inbox, server};

const AT: &str = "192.0.2.1:25";
const MINUTE: Duration = Duration::from_secs(60);

fn files(folder: &Path, name: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(folder.join(name)).expect("it was made");
    files
        .map(|file| file.expect("it is there").path())
        .collect()
}

fn open(reactor: &TestReactor, folder: &Path) -> Rc<Queue> {
    let client = SmtpClient::new(reactor, AT).with_idle_time(Duration::ZERO);
    let delays = vec![MINUTE, 5 * MINUTE];
    Queue::open(reactor, folder.to_owned(), client, delays).expect("it opens")
}

fn mail(to: &[&str]) -> Mail {
    Mail {
        from: "eve@example.org".to_owned(),
        to: to.iter().map(|&to| to.to_owned()).collect(),
        text: b"Subject: hi\r\n\r\n.\r\n".to_vec(),
    }
}

/// Files are written by threads, which the virtual clock does not know.
fn until(reactor: &TestReactor, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "it never is");
        reactor.settle();
        std::thread::yield_now();
    }
    reactor.settle();
}

fn later(inbox: &Inbox) {
    let reply = SmtpReply::new(451, "4.3.0 later");
    inbox.0.fail_at.replace(Some(("from", reply)));
}

#[test]
fn a_message_is_tried_again_by_the_schedule_and_after_a_restart() {
    let folder = Directory::new("queue-restart");
    {
        // Not `testing::run`: this process ends in the middle.
        let reactor = &TestReactor::new();
        let (inbox, server) = server();
        let port = reactor.listen_tcp(AT, server).unwrap();
        later(&inbox);
        let queue = open(reactor, &folder);
        let is_tried = || inbox.0.fail_at.borrow().is_none();
        reactor
            .block_on(queue.put(&mail(&["bob@example.org"])))
            .unwrap();
        until(reactor, is_tried);
        until(reactor, || !reactor.delayed_calls().is_empty());
        later(&inbox);
        reactor.advance(MINUTE - Duration::from_secs(1));
        assert!(!is_tried(), "too early");
        reactor.advance(Duration::from_secs(1));
        until(reactor, is_tried);
        assert_eq!(files(&folder, "waiting").len(), 1);
        port.stop_listening();
    }
    // What it was writing is half a file.
    fs::write(folder.join("unfinished/half"), "eve@").expect("it is written");
    testing::run(|reactor| {
        let (inbox, server) = server();
        let port = reactor.listen_tcp(AT, server).unwrap();
        let _queue = open(reactor, &folder);
        assert!(files(&folder, "unfinished").is_empty());
        until(reactor, || files(&folder, "waiting").is_empty());
        assert_eq!(inbox.messages(), [mail(&[]).text]);
        assert_eq!(files(&folder, "bounced").len(), 0);
        port.stop_listening();
    });
}

#[test]
fn recipients_that_are_refused_for_good_or_too_often_are_in_a_bounce() {
    let folder = Directory::new("queue-bounce");
    testing::run(|reactor| {
        let (inbox, server) = server();
        let port = reactor.listen_tcp(AT, server).unwrap();
        let queue = open(reactor, &folder);
        let both = mail(&["nobody@example.org", "bob@example.org"]);
        reactor.block_on(queue.put(&both)).unwrap();
        until(reactor, || files(&folder, "waiting").is_empty());
        assert_eq!(inbox.messages(), [&both.text[..]]);
        let bounce = fs::read_to_string(&files(&folder, "bounced")[0]).expect("it is text");
        let expected = "nobody@example.org: 550 5.1.1 no such user\n\nSubject: hi\r\n\r\n.\r\n";
        assert_eq!(bounce, expected);
        port.stop_listening();
        reactor.settle();
        fs::remove_file(&files(&folder, "bounced")[0]).expect("it is there");

        // No server is there, three times.
        let put = queue.put(&mail(&["bob@example.org"]));
        reactor.block_on(put).unwrap();
        for delay in [MINUTE, 5 * MINUTE] {
            until(reactor, || !reactor.delayed_calls().is_empty());
            assert_eq!(files(&folder, "bounced").len(), 0);
            reactor.advance(delay);
        }
        until(reactor, || files(&folder, "waiting").is_empty());
        let bounce = fs::read_to_string(&files(&folder, "bounced")[0]).expect("it is text");
        assert!(bounce.starts_with("bob@example.org: "), "{bounce}");
    });
}

#[test]
fn only_greylisted_recipients_are_tried_again() {
    let folder = Directory::new("queue-partial");
    testing::run(|reactor| {
        let (inbox, server) = server();
        let port = reactor.listen_tcp(AT, server).unwrap();
        let queue = open(reactor, &folder);
        // The first recipient is greylisted.
        let reply = SmtpReply::new(450, "4.2.1 greylisted");
        inbox.0.fail_at.replace(Some(("to", reply)));
        let put = queue.put(&mail(&["ann@example.org", "bob@example.org"]));
        reactor.block_on(put).unwrap();
        until(reactor, || inbox.messages().len() == 1);
        until(reactor, || {
            let waiting = files(&folder, "waiting");
            fs::read_to_string(&waiting[0]).is_ok_and(|text| !text.contains("bob@"))
        });
        until(reactor, || !reactor.delayed_calls().is_empty());
        reactor.advance(MINUTE);
        until(reactor, || files(&folder, "waiting").is_empty());
        let delivered = inbox.0.delivered.borrow();
        let to = delivered
            .iter()
            .map(|(envelope, _)| envelope.to[0].address.to_string());
        let to: Vec<_> = to.collect();
        assert_eq!(to, ["bob@example.org", "ann@example.org"]);
        port.stop_listening();
    });
}

#[test]
fn a_message_is_read_when_its_turn_comes() {
    let folder = Directory::new("queue-turns");
    testing::run(|reactor| {
        let waiting = folder.join("waiting");
        fs::create_dir_all(&waiting).expect("it is made");
        let write = |text: &str| {
            for name in ["one", "two"] {
                let file = format!("eve@example.org\nbob@example.org\n\n{text}\r\n");
                fs::write(waiting.join(name), file).expect("it is written");
            }
        };
        write("early");
        let (inbox, server) = server();
        let port = reactor.listen_tcp(AT, server).unwrap();
        inbox.0.wait_at.set("end");
        let _queue = open(reactor, &folder);
        until(reactor, || inbox.0.waiting.borrow().is_some());
        // The second file, which has not been read.
        write("late");
        inbox.go_on();
        until(reactor, || files(&folder, "waiting").is_empty());
        assert_eq!(
            inbox.messages(),
            ["early\r\n", "late\r\n"].map(|text| text.as_bytes().to_vec())
        );
        port.stop_listening();
    });
}
