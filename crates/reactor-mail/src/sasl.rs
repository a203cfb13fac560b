//! The message of PLAIN (RFC 4616), by which SMTP and IMAP clients log in.

/// Splits the message into the name of the user for whom the client acts (empty: the one who logs
/// in), the name that logs in, and the password. `None` if there are not three fields.
pub(crate) fn plain(message: &str) -> Option<[&str; 3]> {
    let mut fields = message.split('\0');
    let plain = [fields.next()?, fields.next()?, fields.next()?];
    fields.next().is_none().then_some(plain)
}
