//! Taking copies back, for a MOVE or a RENAME of INBOX that fails in the middle.

use std::collections::HashSet;

use deferred::{Failure, maybe_deferred};

use super::account::Account;
use super::mailbox::{CopiedMessages, Mailbox, Uid};
use super::name::MailboxName;

/// Removes the copies of those messages that are still in `from`, and leaves the others in `copied`:
/// so each message is in only one of the two mailboxes. A copy that cannot be removed stays.
pub(crate) async fn take_back(
    from: &dyn Mailbox,
    account: &dyn Account,
    target: &MailboxName,
    copied: &mut CopiedMessages,
) {
    // If it cannot be found out which messages are still there, all copies stay, so that no message
    // is lost.
    let Ok(snapshot) = maybe_deferred(|| from.messages()).await else {
        return;
    };
    let messages = snapshot.messages.iter();
    let there: HashSet<Uid> = messages.map(|message| message.uid).collect();
    let is_there = |(from, _): &(Uid, Uid)| there.contains(from);
    let (back, moved): (Vec<_>, Vec<_>) = copied.uids.drain(..).partition(is_there);
    copied.uids = moved;
    let copies: Vec<Uid> = back.iter().map(|(_, to)| *to).collect();
    if copies.is_empty() {
        return;
    }
    let mailbox = match maybe_deferred(|| account.open(target)).await {
        // Another mailbox has this name now: the copies were deleted with the old one.
        Ok(mailbox) if mailbox.uid_validity() != copied.uid_validity => return,
        Ok(mailbox) => mailbox,
        Err(failure) => return stays_twice(&failure),
    };
    if let Err(failure) = maybe_deferred(|| mailbox.expunge(&copies)).await {
        stays_twice(&failure);
    }
}

fn stays_twice(failure: &Failure) {
    tracing::warn!(target: "reactor_mail", %failure, "messages of a failed move are in both mailboxes");
}
