//! `pump_to`: passes the input of one [`Io`] on to another.

use deferred::Deferred;

use super::Io;

impl Io {
    /// Passes the input on to `to` by [`reactor::pump`], the unread bytes first. From then on, this
    /// `Io` has no input; it has to stay until the Deferred fires, since its drop closes the
    /// connection.
    pub(crate) fn pump_to(&mut self, to: &Self) -> Deferred<u64> {
        // The gathered output of `to` goes out before the input: the pump writes to the connection,
        // past `output`.
        to.send_gathered();
        let unread = self.shared.input.borrow().unread().to_vec();
        if !unread.is_empty() {
            // `Gone` if the connection is over: then the pump fails.
            let _ = to.connection.write(&unread);
        }
        // Resumes reading if the unread bytes have paused it: the pump ends only its own pauses.
        self.consume(unread.len());
        reactor::pump(&self.connection, &to.connection)
    }
}
