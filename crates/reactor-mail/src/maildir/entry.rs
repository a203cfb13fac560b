//! `MaildirEntry`: what the name of a message's file says about the message.

use super::flags::MaildirFlags;

/// A message of a [`Maildir`](crate::Maildir), as described by the name of its file.
///
/// Programs rename the file when its flags change, so an entry may be out of date. The methods of
/// [`Maildir`](crate::Maildir) that take an entry then find the file by the entry's
/// [`id`](Self::id).
///
/// # Examples
///
/// ```
/// # use reactor_mail::Maildir;
/// # let folder = std::env::temp_dir().join(format!("maildir-entry-{}", std::process::id()));
/// # let maildir = Maildir::new(&folder);
/// # maildir.create()?;
/// maildir.deliver(b"Subject: hi\r\n\r\nHello!\r\n")?;
/// let entry = &maildir.list()?[0];
/// assert!(entry.is_new() && entry.flags().is_empty());
/// assert_eq!(entry.size(), Some(23));
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaildirEntry {
    /// The name of its file.
    name: String,
    /// Length of the part of the name before the flags.
    id: usize,
    flags: MaildirFlags,
    is_new: bool,
}

impl MaildirEntry {
    /// A message with an id that is new, from [`unique`](super::unique), or was parsed. It is in
    /// `cur` if `flags` is `Some`, even if that is empty, else in `new`.
    pub(super) fn new(id: String, flags: Option<MaildirFlags>) -> Self {
        let length = id.len();
        Self {
            name: match flags {
                Some(flags) => format!("{id}:2,{flags}"),
                None => id,
            },
            id: length,
            flags: flags.unwrap_or_default(),
            is_new: flags.is_none(),
        }
    }

    /// The message of the file with this name; `None` if the name cannot be that of a message.
    ///
    /// A name with a control character is refused: no program gives such names to messages, and they
    /// would have to be escaped wherever an id is written.
    pub(super) fn parse(name: String, is_new: bool) -> Option<Self> {
        // By the rules of Maildir, readers ignore names that begin with a dot.
        if name.starts_with('.') || name.chars().any(char::is_control) {
            return None;
        }
        let id = name.find(':').unwrap_or(name.len());
        // The rules of Maildir reserve `:1,` for experiments: what follows it is not flags.
        let flags = name[id..].strip_prefix(":2,").unwrap_or_default();
        let flags = MaildirFlags::from_name(flags);
        (id > 0).then_some(Self {
            name,
            id,
            flags,
            is_new,
        })
    }

    /// The part of the file's name that never changes, and that no other message of the Maildir
    /// has.
    pub fn id(&self) -> &str {
        &self.name[..self.id]
    }

    /// The flags.
    pub fn flags(&self) -> MaildirFlags {
        self.flags
    }

    /// Whether the message is still in `new`: no program has moved it to `cur` yet.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Size of the message in bytes, if its lines end in CR LF; `None` if the name has no size (`W=`).
    pub fn size(&self) -> Option<u64> {
        let mut fields = self.id().split(',').skip(1);
        fields.find_map(|field| field.strip_prefix("W=")?.parse().ok())
    }

    /// The path of its file, relative to the Maildir.
    pub(super) fn place(&self) -> String {
        let folder = if self.is_new { "new" } else { "cur" };
        format!("{folder}/{}", self.name)
    }

    /// The message in `cur` with other flags.
    pub(super) fn with_flags(&self, flags: MaildirFlags) -> Self {
        Self::new(self.id().to_owned(), Some(flags))
    }

    /// The key for sorting by time of arrival: seconds, microseconds (`M`; 0 if the name has none),
    /// and the id.
    pub(super) fn arrival(&self) -> (u64, u64, &str) {
        let (seconds, rest) = split_number(self.id());
        let micros = rest
            .strip_prefix(".M")
            .map_or(0, |rest| split_number(rest).0);
        (seconds, micros, self.id())
    }
}

/// The number with which a text begins, or 0 if it begins with none, and the rest.
fn split_number(text: &str) -> (u64, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit());
    let (number, rest) = text.split_at(end.unwrap_or(text.len()));
    (number.parse().unwrap_or(0), rest)
}
