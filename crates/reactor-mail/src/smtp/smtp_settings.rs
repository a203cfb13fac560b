//! `Settings`: the settings of an SMTP server, which its connections share.

use std::rc::Rc;
use std::time::Duration;

use reactor_tls::TlsServer;

use super::delivery::Delivery;

/// Each field is explained at the method of `SmtpServer` that sets it, such as
/// `with_message_timeout` for `message_timeout`.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) name: String,
    pub(super) delivery: Rc<dyn Delivery>,
    pub(super) tls: Option<TlsServer>,
    pub(super) login: LoginPolicy,
    pub(super) max_size: u64,
    pub(super) max_recipients: usize,
    pub(super) max_errors: u32,
    pub(super) idle_timeout: Duration,
    /// Longest time from DATA, or from the first chunk of BDAT, to the end of the message.
    pub(super) message_timeout: Duration,
    pub(super) session_timeout: Duration,
    pub(super) max_failed_logins: u32,
    pub(super) failed_login_delay: Duration,
    /// Whether the server puts a `Received` header before each message.
    pub(super) has_received_header: bool,
}

/// When clients may log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LoginPolicy {
    Never,
    Encrypted,
    Always,
}
