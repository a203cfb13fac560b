//! The HTTP client, on a network in memory and a clock that the tests move: against this crate's
//! server, and against bytes by hand where HTTP is at stake.

mod basics;
mod compression;
mod cookies;
mod peers;
mod pool;
mod proxies;
mod redirects;
pub(crate) mod scripted;
mod secure;
mod timeouts;

use std::time::Duration;

use deferred::{Deferred, Result};
use reactor::testing::TestReactor;
use reactor_web::client::ClientResponse;
use reactor_web::{App, Client, serve};

/// A server of `app` at `http://127.0.0.1/`, and a client of it.
pub(crate) struct Pair {
    pub(crate) client: Client,
    pub(crate) reactor: TestReactor,
}

impl Pair {
    pub(crate) fn new(app: App) -> Self {
        let reactor = TestReactor::new();
        let client = Client::new(&reactor);
        Self::with(reactor, client, app)
    }

    pub(crate) fn with(reactor: TestReactor, client: Client, app: App) -> Self {
        reactor
            .result_of(serve(&reactor, "tcp:80:interface=127.0.0.1", app))
            .expect("a port");
        Self { client, reactor }
    }

    /// The text of the answer to a GET of `path`.
    #[track_caller]
    pub(crate) fn text(&self, path: &str) -> String {
        let page = self.start(path).add_callback(ClientResponse::text);
        self.reactor.result_of(page).expect("an answer")
    }

    pub(crate) fn start(&self, path: &str) -> Deferred<ClientResponse> {
        self.client.get(format!("http://127.0.0.1{path}"))
    }

    #[track_caller]
    pub(crate) fn result<T: 'static>(&self, deferred: Deferred<T>) -> Result<T> {
        self.reactor.result_of(deferred)
    }
}

/// `seconds`, as a duration.
pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
