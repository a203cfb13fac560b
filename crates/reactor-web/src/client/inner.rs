//! `Inner`: the state behind a client.

use std::rc::Rc;

use super::config::Config;
use super::pool::Pool;
#[cfg(feature = "tls")]
use super::tls::Tls;

/// State that the clones of a client and its requests share.
pub(super) struct Inner {
    pub(super) config: Config,
    pub(super) pool: Rc<Pool>,
    #[cfg(feature = "tls")]
    pub(super) tls: Tls,
}
