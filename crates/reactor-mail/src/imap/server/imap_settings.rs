//! `Settings`: the settings of an IMAP server, which its connections share.

use std::rc::Rc;
use std::time::Duration;

use reactor_tls::TlsServer;

use crate::store::Login;

/// Each field is explained at the method of `ImapServer` that sets it, such as
/// `with_login_timeout` for `login_timeout`.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) name: String,
    pub(super) login: Rc<dyn Login>,
    pub(super) tls: Option<TlsServer>,
    pub(super) allows_clear_login: bool,
    pub(super) max_size: u32,
    pub(super) max_errors: u32,
    pub(super) max_failed_logins: u32,
    pub(super) failed_login_delay: Duration,
    pub(super) login_timeout: Duration,
    pub(super) idle_timeout: Duration,
}
