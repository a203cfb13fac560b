//! The console over a UNIX socket, and over TLS.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::thread;

use deferred::Result;
use reactor::endpoint::Connect;
use reactor::testing;
use reactor::{Context, Protocol, Raw, Reactor};
use reactor_telnet::{Console, InputMode};
use tests::Directory;
use tests::certificates::Pair;

fn console() -> Console {
    Console::new("> ").with_input_mode(InputMode::Lines)
}

#[test]
fn a_unix_socket() {
    let folder = Directory::new("console");
    let path = folder.join("console.sock");
    let reactor = Reactor::new().expect("a reactor");
    let port = reactor.listen_unix(&path, console()).expect("it listens");
    let remote = reactor.remote();
    let client = thread::spawn(move || {
        let mut stream = UnixStream::connect(path).expect("it connects");
        stream.write_all(b"counters\r\nquit\r\n").expect("it reads");
        let mut text = Vec::new();
        stream.read_to_end(&mut text).expect("it closes");
        let stopped = remote.call_from_thread(|reactor| reactor.stop());
        stopped.expect("it runs");
        String::from_utf8_lossy(&text).into_owned()
    });
    reactor.run().expect("it runs");
    let text = client.join().expect("it has read all");
    assert!(text.contains("connections made"), "{text}");
    drop(port);
}

/// Asks at once, and keeps what comes.
struct Client(Rc<RefCell<Vec<u8>>>);

impl Protocol for Client {
    type Framing = Raw;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        cx.write("counters\r\nquit\r\n");
        Ok(())
    }

    fn received(&mut self, _cx: &mut Context<'_, Self>, data: &[u8]) -> Result<()> {
        self.0.borrow_mut().extend_from_slice(data);
        Ok(())
    }
}

#[test]
fn tls() {
    for largest_read in [1, usize::MAX] {
        testing::run(|reactor| {
            reactor.set_largest_read(largest_read);
            let pair = Pair::new("console.test");
            let factory = pair.server().factory(console());
            let port = reactor.listen_tcp("192.0.2.1:992", factory);
            let port = port.expect("it listens");

            let endpoint = pair.client().endpoint("console.test", port.address());
            let text = Rc::<RefCell<Vec<u8>>>::default();
            let client = Client(Rc::clone(&text));
            let connecting = endpoint.expect("a name").connect(reactor, client);
            reactor.result_of(connecting).expect("it connects");
            reactor.settle();
            let text = String::from_utf8_lossy(&text.take()).into_owned();
            assert!(text.contains("connections made"), "{text}");
            assert_eq!(reactor.counters().connections, 0, "`quit` closes it");
            port.stop_listening().ignore();
        });
    }
}
