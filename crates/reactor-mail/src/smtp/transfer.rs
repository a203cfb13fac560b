//! `Transfer`: a message that an SMTP client sends, by DATA or BDAT.

use deferred::DelayedCall;
use memchr::memchr2_iter;

use super::delivery::Message;
use super::smtp_reply::SmtpReply;

/// A message that comes in.
pub(super) struct Transfer {
    /// What takes it; or the reply with which it was refused: its pieces are discarded.
    // Changes from `Ok` to `Err` at the first refusal, and never back: so the first one is the
    // reply.
    pub(super) message: Result<Box<dyn Message>, SmtpReply>,
    /// Bytes that have come.
    pub(super) size: u64,
    /// The chunk that comes is the last one.
    // Set by each BDAT, before its bytes come; stays `false` with DATA, which ends by the dot.
    pub(super) is_last: bool,
    /// The last chunk has ended in a CR: an LF is to follow.
    // Set and cleared at the end of each piece of a chunk.
    pub(super) has_cr: bool,
    pub(super) _deadline: Deadline,
}

/// The time limit of a message, which ends with it.
pub(super) struct Deadline(pub(super) DelayedCall);

impl Drop for Deadline {
    fn drop(&mut self) {
        // Does nothing if it has passed: the connection is being closed then.
        self.0.cancel();
    }
}

impl Transfer {
    /// Refuses the message if a CR or LF stands alone in it: a chunk may hold text only, because
    /// BINARYMIME is not offered (RFC 3030, section 3), and a server that gets the message by DATA
    /// might see an end in it.
    pub(super) fn check_line_ends(&mut self, chunk: &[u8]) {
        let Some(last) = chunk.last() else {
            return;
        };
        let mut is_bad = self.has_cr && chunk[0] != b'\n';
        for at in memchr2_iter(b'\r', b'\n', chunk) {
            is_bad |= match chunk[at] {
                b'\r' => chunk.get(at + 1).is_some_and(|next| *next != b'\n'),
                _ => match at.checked_sub(1) {
                    Some(before) => chunk[before] != b'\r',
                    None => !self.has_cr,
                },
            };
        }
        self.has_cr = *last == b'\r';
        if is_bad {
            self.refuse_line_ends();
        }
    }

    pub(super) fn refuse_line_ends(&mut self) {
        if self.message.is_ok() {
            self.message = Err(SmtpReply::new(554, "5.6.0 lines end in CR LF"));
        }
    }
}
