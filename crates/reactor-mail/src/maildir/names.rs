//! Names of mailboxes as names of folders: levels are separated by dots, in modified UTF-7.

use crate::imap::mailbox_name;
use crate::store::MailboxName;

/// The dot in a level, written as modified UTF-7 writes what is not ASCII. An `&` of a name is written
/// as `&-`, so these bytes stand for nothing else.
const DOT: &str = "&AC4-";

/// The name of a folder; `None` if a file cannot have such a name.
pub(super) fn folder_of(name: &MailboxName) -> Option<String> {
    let levels = name
        .components()
        .map(|level| mailbox_name::encode(level).replace('.', DOT));
    let folder = levels.collect::<Vec<_>>().join(".");
    // With the dot in front, it is the name of a file, of 255 bytes at most.
    (folder.len() < 255).then_some(folder)
}

/// The mailbox of a folder; `None` if another program has given it a name that no mailbox has.
pub(super) fn name_of(folder: &str) -> Option<MailboxName> {
    let levels = folder
        .split('.')
        .map(|level| mailbox_name::decode(&level.replace(DOT, ".")));
    let levels: Vec<String> = levels.collect::<Option<_>>()?;
    // Decoded, such a level would be two.
    if levels.iter().any(|level| level.contains('/')) {
        return None;
    }
    let name = MailboxName::new(&levels.join("/")).ok()?;
    // One that is written differently would be another folder.
    (!name.is_inbox() && folder_of(&name).as_deref() == Some(folder)).then_some(name)
}
