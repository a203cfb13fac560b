//! DATA and BDAT: the part of the receiver that passes a message on to the delivery.

use deferred::succeed;
use reactor::Context;

use super::delivery::Message;
use super::received;
use super::receiver::{SmtpReceiver, refusal};
use super::smtp_reply::SmtpReply;
use super::transfer::{Deadline, Transfer};

impl SmtpReceiver {
    /// The refusal if no message may begin; `None` if one may.
    fn not_ready(&self) -> Option<SmtpReply> {
        let envelope = self.envelope.as_ref();
        if envelope.is_none_or(|envelope| envelope.to.is_empty()) {
            return Some(SmtpReply::new(503, "5.5.1 no recipient was accepted"));
        }
        None
    }

    pub(super) fn begin_data(&mut self, cx: &mut Context<'_, Self>) {
        if self.transfer.is_some() {
            return self.answer(cx, 503, "5.5.1 the message has begun");
        }
        if let Some(reply) = self.not_ready() {
            return self.reply(cx, &reply);
        }
        self.begin(cx, |this, cx| {
            let message = this.transfer.as_ref().map(|transfer| &transfer.message);
            if let Some(Err(reply)) = message {
                let reply = reply.clone();
                // This refusal of DATA ends the transaction: no 354 was sent, so the client sends no
                // message.
                this.reset();
                return this.reply(cx, &reply);
            }
            // Before the next frame is decoded, because a client that does not wait for the 354 may
            // have sent its message already.
            cx.framing().begin_data();
            this.answer(cx, 354, "go ahead");
        });
    }

    pub(super) fn begin_chunk(&mut self, cx: &mut Context<'_, Self>, length: u64, is_last: bool) {
        // Also if the message is refused, because the client sends the chunk without waiting for a
        // reply.
        cx.framing().begin_chunk(length);
        let go_on = move |this: &mut Self, cx: &mut Context<'_, Self>| {
            if let Some(transfer) = &mut this.transfer {
                transfer.is_last = is_last;
            }
            if length == 0 {
                this.end_of_chunk(cx);
            }
        };
        if self.transfer.is_some() {
            return go_on(self, cx);
        }
        if let Some(reply) = self.not_ready() {
            // A transfer that is refused from the beginning: it discards the chunk, and sends the
            // refusal at the chunk's end.
            self.begin_transfer(cx, Err(reply));
            return go_on(self, cx);
        }
        self.begin(cx, go_on);
    }

    fn begin(
        &mut self,
        cx: &mut Context<'_, Self>,
        go_on: impl FnOnce(&mut Self, &mut Context<'_, Self>) + 'static,
    ) {
        let Some(envelope) = &self.envelope else {
            return;
        };
        let settings = &self.settings;
        let header = settings.has_received_header;
        let header = header.then(|| received::header(envelope, &settings.name, self.is_extended));
        // `is_owned` is `false`, here and for the pieces: if the client hangs up, the message is not
        // complete, so the Deferred is cancelled.
        let message = settings.delivery.begin(envelope);
        self.wait_for(cx, message, false, move |this, cx, message| {
            let mut message = message.map_err(refusal);
            let taken = match (&mut message, header) {
                (Ok(message), Some(header)) => message.data(header.as_bytes()),
                _ => succeed(()),
            };
            this.wait_for(cx, taken, false, move |this, cx, taken| {
                let taken = taken.map_err(refusal);
                this.begin_transfer(cx, taken.and(message));
                go_on(this, cx);
            });
        });
    }

    fn begin_transfer(
        &mut self,
        cx: &mut Context<'_, Self>,
        message: Result<Box<dyn Message>, SmtpReply>,
    ) {
        // The timeout begins here and not at MAIL, so that the time that the delivery's `begin` takes
        // does not count.
        let deadline = cx.call_later(self.settings.message_timeout, |this, cx| {
            this.expire(cx, "421 4.4.2 the message takes too long\r\n");
        });
        self.transfer = Some(Transfer {
            message,
            size: 0,
            is_last: false,
            has_cr: false,
            _deadline: Deadline(deadline),
        });
    }

    /// Takes a piece of the message. With BDAT, `remaining` is the number of bytes of the chunk that
    /// follow this piece; with DATA, which has no chunks, it is `None`.
    pub(super) fn take(&mut self, cx: &mut Context<'_, Self>, data: &[u8], remaining: Option<u64>) {
        let max_size = self.settings.max_size;
        let Some(transfer) = &mut self.transfer else {
            return;
        };
        // The bytes are counted, because the client may send more than it has announced with MAIL.
        transfer.size = transfer.size.saturating_add(data.len() as u64);
        if transfer.size > max_size && transfer.message.is_ok() {
            let reply = SmtpReply::new(552, "5.3.4 the message is too large");
            transfer.message = Err(reply);
        }
        // Only for chunks: for DATA, the framing has checked the line ends.
        if remaining.is_some() {
            transfer.check_line_ends(data);
        }
        let taken = match &mut transfer.message {
            Ok(message) => message.data(data),
            Err(_) => succeed(()),
        };
        self.wait_for(cx, taken, false, move |this, cx, taken| {
            if let (Err(failure), Some(transfer)) = (taken, &mut this.transfer) {
                transfer.message = Err(refusal(failure));
            }
            if remaining == Some(0) {
                this.end_of_chunk(cx);
            }
        });
    }

    fn end_of_chunk(&mut self, cx: &mut Context<'_, Self>) {
        let Some(transfer) = &mut self.transfer else {
            return;
        };
        if transfer.is_last {
            if transfer.has_cr {
                transfer.refuse_line_ends();
            }
            return self.end(cx);
        }
        // A refused message stays refused, so each of its further chunks gets the same reply.
        let reply = match &transfer.message {
            Ok(_) => SmtpReply::new(250, "2.0.0 chunk received"),
            Err(reply) => reply.clone(),
        };
        self.reply(cx, &reply);
    }

    /// Ends the message, which is complete: delivers it, and replies.
    pub(super) fn end(&mut self, cx: &mut Context<'_, Self>) {
        // Both are taken before the delivery is asked, because its reply ends the transaction whether
        // it accepts or refuses. The drop of the transfer cancels its deadline.
        let (transfer, _envelope) = (self.transfer.take(), self.envelope.take());
        match transfer.map(|transfer| transfer.message) {
            None => {}
            Some(Err(reply)) => self.reply(cx, &reply),
            Some(Ok(message)) => {
                // `is_owned` is `true`: this side is responsible for the complete message, so the
                // delivery goes on if the client hangs up.
                let delivered = message.end();
                self.wait_for(cx, delivered, true, |this, cx, delivered| match delivered {
                    Ok(()) => this.answer(cx, 250, "2.0.0 delivered"),
                    Err(failure) => this.reply(cx, &refusal(failure)),
                });
            }
        }
    }
}
