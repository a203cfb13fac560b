//! What the tests of the web server have in common.

use std::fs;
use std::path::{Path, PathBuf};

use reactor::testing::Peer;
use reactor_web::App;
use reactor_web::testing::TestClient;
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
