//! Names of mailboxes as names of folders: in modified UTF-7, with dots between the levels.

use crate::imap::mailbox_name;
use crate::store::MailboxName;

/// A dot within a level, encoded as modified UTF-7 encodes characters that are not ASCII. An `&` in a
/// name is encoded as `&-`, so these bytes stand for nothing else.
const DOT: &str = "&AC4-";

/// The name of a mailbox's folder, without the dot in front; `None` if it is too long for a file.
pub(super) fn folder_of(name: &MailboxName) -> Option<String> {
    let levels = name
        .components()
        .map(|level| mailbox_name::encode(level).replace('.', DOT));
    let folder = levels.collect::<Vec<_>>().join(".");
    // With the dot in front, it is the name of a file, which may have 255 bytes.
    (folder.len() < 255).then_some(folder)
}

/// The mailbox of a folder; `None` if another program has given it a name that no mailbox has.
pub(super) fn name_of(folder: &str) -> Option<MailboxName> {
    let levels = folder
        .split('.')
        .map(|level| mailbox_name::decode(&level.replace(DOT, ".")));
    let levels: Vec<String> = levels.collect::<Option<_>>()?;
    // A level with a slash would be two levels in the name of the mailbox.
    if levels.iter().any(|level| level.contains('/')) {
        return None;
    }
    let name = MailboxName::new(&levels.join("/")).ok()?;
    // If the folder's name is not the encoding of this mailbox's name, then the mailbox's folder is
    // another one.
    (!name.is_inbox() && folder_of(&name).as_deref() == Some(folder)).then_some(name)
}
