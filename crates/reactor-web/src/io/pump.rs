//! `pump_to`: the bytes of one [`Io`] go on to another.

use deferred::Deferred;

use super::Io;

impl Io {
    /// Passes the input on to `to` by [`reactor::pump`], with what is unread first. From then on, this
    /// `Io` has no input; it has to stay until the Deferred fires, since its drop closes the
    /// connection.
    pub(crate) fn pump_to(&mut self, to: &Self) -> Deferred<u64> {
        // What was gathered goes before the input, and the pump writes by the connection.
        to.send_gathered();
        let unread = self.shared.input.borrow().unread().to_vec();
        if !unread.is_empty() {
            // `Gone` if the connection is over: then the pump fails.
            let _ = to.connection.write(&unread);
        }
        // The pump goes by its own pauses: that of a full input would not end.
        self.consume(unread.len());
        reactor::pump(&self.connection, &to.connection)
    }
}
