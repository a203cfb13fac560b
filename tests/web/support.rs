//! What the tests of the web server have in common.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use deferred::sleep;
use reactor::testing::{Peer, TestReactor};
use reactor::{Context, Factory, Lines, Listen, Protocol};
use reactor_tls::{Identity, Roots, TlsServer};
use reactor_web::testing::TestClient;
use reactor_web::{App, Body, Request};
use tests::Directory;

/// A request of HTTP/1.1 for `/`.
pub(crate) const GET: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";

/// A client of `app`.
#[track_caller]
pub(crate) fn client(app: App) -> TestClient {
    match TestClient::new(app) {
        Ok(client) => client,
        Err(failure) => panic!("the app cannot be served: {failure:?}"),
    }
}

/// What `peer` has received, as text.
#[track_caller]
pub(crate) fn text(peer: &Peer) -> String {
    String::from_utf8(peer.received()).expect("the answers of these tests are text")
}

/// The status line and the body of the only answer in `text`.
#[track_caller]
pub(crate) fn answer(text: &str) -> (&str, &str) {
    let (head, body) = text.split_once("\r\n\r\n").expect("a whole head");
    (head.lines().next().expect("there is a first"), body)
}

/// A folder of a test, which is removed at its end.
pub(crate) struct Folder(Directory);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        Self(Directory::new(name))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file, and the folders that it is in.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().expect("it is a file")).expect("folders");
        fs::write(&path, content).expect("a file");
        path
    }
}

/// Serves `factory`, as a site, as https on port 443, with a certificate for `name`; gives what a
/// client needs to trust it.
#[track_caller]
pub(crate) fn serve_https(
    reactor: &TestReactor,
    factory: impl Factory,
    name: &str,
    alpn: &[&str],
) -> Roots {
    let key = rcgen::generate_simple_self_signed([name.to_owned()]).expect("a key");
    let identity = Identity::from_pem(key.cert.pem(), key.signing_key.serialize_pem());
    let server = TlsServer::builder()
        .identity(identity.expect("it is one"))
        .alpn(alpn)
        .build()
        .expect("a server");
    let listening = server.endpoint("tcp:443").listen(reactor, factory);
    reactor.result_of(listening).expect("a port");
    Roots::from_pem(key.cert.pem()).expect("a certificate")
}

/// Echoes lines.
pub(crate) struct EchoLines;

impl Protocol for EchoLines {
    type Framing = Lines;

    fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> deferred::Result<()> {
        cx.send_line(line);
        Ok(())
    }
}

/// A handler whose answer is three pieces, each of them sent a second after the one before.
pub(crate) fn three_pieces(req: Request) -> Body {
    let (writer, body) = Body::channel();
    let reactor = req.reactor().clone();
    let writing = async move {
        for _ in 0..3 {
            writer.write("piece").await?;
            sleep(&reactor, Duration::from_secs(1)).await?;
        }
        Ok(())
    };
    req.reactor().spawn(writing).log_error().ignore();
    body
}
