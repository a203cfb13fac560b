//! `Inner`: the state behind a client.

use std::cell::RefCell;
use std::rc::Rc;

use http::HeaderMap;
use url::Url;

use super::config::Config;
use super::error::ClientError;
use super::origin::Server;
use super::pool::Pool;
#[cfg(feature = "tls")]
use super::tls::Tls;
use super::urls::Urls;

/// State that the clones of a client and its requests share.
pub(super) struct Inner {
    pub(super) config: Config,
    pub(super) pool: Rc<Pool>,
    /// The headers of a request that has none of its own.
    pub(super) headers: Rc<HeaderMap>,
    /// Whether content that comes for a request with `headers` is decompressed.
    pub(super) decodes: bool,
    #[cfg(feature = "tls")]
    pub(super) tls: Tls,
    pub(super) urls: Urls,
    /// The server of the last request, which is often that of the next one.
    pub(super) last_server: RefCell<Option<Rc<Server>>>,
}

impl Inner {
    /// The server of `url`.
    pub(super) fn server(&self, url: &Url) -> Result<Rc<Server>, ClientError> {
        let mut last = self.last_server.borrow_mut();
        if let Some(server) = last.as_ref().filter(|server| server.is_of(url)) {
            return Ok(Rc::clone(server));
        }
        let server = Rc::new(Server::of(url)?);
        *last = Some(Rc::clone(&server));
        Ok(server)
    }
}
