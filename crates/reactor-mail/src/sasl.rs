//! The message of PLAIN (RFC 4616), by which SMTP and IMAP clients log in.

/// The user for which the client acts (empty: itself), its name, and its password.
pub(crate) fn plain(message: &str) -> Option<[&str; 3]> {
    let mut fields = message.split('\0');
    let plain = [fields.next()?, fields.next()?, fields.next()?];
    fields.next().is_none().then_some(plain)
}
