//! `Transfer`: state of a message that an SMTP client is sending, by DATA or BDAT.

use deferred::DelayedCall;
use memchr::memchr2_iter;

use super::delivery::Message;
use super::smtp_reply::SmtpReply;

/// A message that is being received.
pub(super) struct Transfer {
    /// The delivery's `Message`, which gets the pieces; or the reply that refuses the message, whose
    /// further pieces are discarded.
    // Changes from `Ok` to `Err` at the first refusal, and never back, so that the client gets the
    // first refusal.
    pub(super) message: Result<Box<dyn Message>, SmtpReply>,
    /// Number of bytes received so far.
    pub(super) size: u64,
    /// The current chunk is the last one.
    // Set by BDAT with LAST, before the bytes of the chunk; stays `false` with DATA, which ends at
    // the dot.
    pub(super) is_last: bool,
    /// The last piece has ended in a CR, so an LF must follow.
    // Assigned at the end of each piece of a chunk; stays `false` with DATA.
    pub(super) has_cr: bool,
    pub(super) _deadline: Deadline,
}

/// The timer of a message's time limit, which the drop cancels.
pub(super) struct Deadline(pub(super) DelayedCall);

impl Drop for Deadline {
    fn drop(&mut self) {
        // Does nothing if the timer has fired: then the connection is being closed.
        self.0.cancel();
    }
}

impl Transfer {
    /// Refuses the message if a CR or LF stands alone in this piece of a chunk. A chunk may have text
    /// only, because BINARYMIME is not offered (RFC 3030, section 3); and if the message is passed on
    /// by DATA, another server might take such a line end for the end of the message.
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
