//! `Selected`: the mailbox that is open, as the client knows it.

use std::cell::{Cell, RefCell};
use std::fmt::Write;
use std::rc::Rc;

use deferred::{Result, maybe_deferred};
use imap_types::sequence::SequenceSet;

use super::sequence::places;
use super::text::flag_list;
use crate::store::{Mailbox, MailboxName, MailboxSnapshot, MailboxWatch, MessageInfo, Uid};

/// The mailbox that a session has open.
pub(super) struct Selected {
    pub(super) name: MailboxName,
    pub(super) mailbox: Rc<dyn Mailbox>,
    pub(super) is_read_only: bool,
    /// The messages as the client knows them: the number of a message is its place, counted from 1.
    /// A message is removed only together with the EXPUNGE that tells the client, so that both
    /// sides count alike.
    pub(super) messages: RefCell<Vec<MessageInfo>>,
    /// The mailbox may have changed since it was read.
    // Set by the watch, by commands that change the mailbox, and if an EXPUNGE could not be sent;
    // cleared by `news`.
    pub(super) is_stale: Rc<Cell<bool>>,
    /// Sets `is_stale`.
    pub(super) _watch: MailboxWatch,
}

/// The changes of the mailbox that the answer to a command may report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// All but EXPUNGE, which would change the message numbers that the client uses (RFC 3501,
    /// section 7.4.1).
    WithoutExpunge,
    All,
    /// As `All`. The command asks for news, so the mailbox is read even if it is not stale.
    Asked,
}

impl Selected {
    /// The places of the messages that a set of a command names.
    pub(super) fn places(&self, set: &SequenceSet, by_uid: bool) -> Vec<usize> {
        places(set, &self.messages.borrow(), by_uid)
    }

    /// The `Uid`s of the messages at these places.
    pub(super) fn uids(&self, places: &[usize]) -> Vec<Uid> {
        let messages = self.messages.borrow();
        places.iter().map(|&place| messages[place].uid).collect()
    }

    /// Reads the mailbox, and returns the responses that report its changes to the client. The caller
    /// must write them at once, because from here on they count as known to the client.
    ///
    /// # Errors
    ///
    /// The errors of the mailbox.
    pub(super) async fn news(&self, news: News) -> Result<String> {
        if news != News::Asked && !self.is_stale.get() {
            return Ok(String::new());
        }
        // Before the read, so that a change during it sets the flag again.
        self.is_stale.set(false);
        let snapshot = maybe_deferred(|| self.mailbox.messages()).await;
        let snapshot = snapshot.inspect_err(|_| self.is_stale.set(true))?;
        let (mut text, first_new) = self.take(&snapshot, news);
        if self.claim_recent(first_new).await {
            text.push_str(&self.recent());
        }
        Ok(text)
    }

    /// Claims the recent messages from the place `first` on, so that only this session shows them as
    /// `\Recent` (RFC 3501, section 2.3.2). Returns whether there are any.
    pub(super) async fn claim_recent(&self, first: usize) -> bool {
        let uids: Vec<Uid> = {
            let messages = self.messages.borrow();
            let recent = messages[first..].iter().filter(|message| message.is_recent);
            recent.map(|message| message.uid).collect()
        };
        // After EXAMINE, they are shown but not claimed, because EXAMINE must change nothing: the next
        // SELECT shows them as recent, too.
        if uids.is_empty() || self.is_read_only {
            return !uids.is_empty();
        }
        match maybe_deferred(|| self.mailbox.claim_recent(&uids)).await {
            Ok(mut claimed) => {
                claimed.sort_unstable();
                for message in &mut self.messages.borrow_mut()[first..] {
                    message.is_recent &= claimed.binary_search(&message.uid).is_ok();
                }
                !claimed.is_empty()
            }
            // If the store fails, it is not known which messages are claimed, so all stay recent.
            Err(failure) => {
                tracing::warn!(target: "reactor_mail", %failure, "messages stay recent");
                true
            }
        }
    }

    /// The response that counts the recent messages.
    pub(super) fn recent(&self) -> String {
        let messages = self.messages.borrow();
        let recent = messages.iter().filter(|message| message.is_recent);
        format!("* {} RECENT\r\n", recent.count())
    }

    /// Merges the snapshot into `messages`; returns the responses for the differences, and the place
    /// of the first new message. Both lists ascend by UID.
    fn take(&self, snapshot: &MailboxSnapshot, news: News) -> (String, usize) {
        let mut messages = self.messages.borrow_mut();
        let mut text = String::new();
        let mut changed = Vec::new();
        let mut kept = Vec::with_capacity(snapshot.messages.len());
        let mut now = snapshot.messages.iter().peekable();
        // Writing to a string does not fail, here and below.
        for mut message in messages.drain(..) {
            // A store must give new messages greater UIDs. A message that appears between known ones
            // violates that, and is skipped, because EXISTS can only add messages at the end.
            while now.next_if(|other| other.uid < message.uid).is_some() {}
            match now.next_if(|other| other.uid == message.uid) {
                Some(other) => {
                    if message.flags != other.flags {
                        message.flags.clone_from(&other.flags);
                        changed.push(kept.len());
                    }
                    kept.push(message);
                }
                None if news == News::WithoutExpunge => {
                    self.is_stale.set(true);
                    kept.push(message);
                }
                // The number after the EXPUNGEs before this one, since each shifts the messages behind
                // it.
                None => {
                    let _ = write!(text, "* {} EXPUNGE\r\n", kept.len() + 1);
                }
            }
        }
        // EXPUNGE first, then EXISTS, then FETCH: a client applies each number to the list as the
        // responses before have left it.
        let left = kept.len();
        let last = kept.last().map(|message| message.uid);
        kept.extend(now.filter(|message| Some(message.uid) > last).cloned());
        if kept.len() > left {
            let _ = write!(text, "* {} EXISTS\r\n", kept.len());
        }
        for place in changed {
            let message = &kept[place];
            text.push_str(&flags_response(place, message));
        }
        *messages = kept;
        (text, left)
    }
}

/// The FETCH response with the flags of the message at this place.
pub(super) fn flags_response(place: usize, message: &MessageInfo) -> String {
    let (number, uid) = (place + 1, message.uid);
    let mut flags = flag_list(&message.flags);
    if message.is_recent {
        flags.push_str(if flags.is_empty() {
            "\\Recent"
        } else {
            " \\Recent"
        });
    }
    format!("* {number} FETCH (UID {uid} FLAGS ({flags}))\r\n")
}
