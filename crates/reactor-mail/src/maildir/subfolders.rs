//! Subfolders as in Maildir++: `.Archive.2026` beside `cur`.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use super::error::MaildirError;
use super::folder::{Maildir, sync_folder};
use super::unique;

/// Most bytes of a subfolder's name. The name of a file may have 255, of which one is the dot in front.
const MAX_NAME: usize = 254;

impl Maildir {
    /// The subfolder `name`, in which dots separate the levels: `Archive.2026`. The file system is not
    /// accessed yet.
    ///
    /// The folders of all levels are beside one another in the outermost Maildir: call this method of
    /// that Maildir, not of a subfolder.
    ///
    /// # Errors
    ///
    /// [`MaildirError::InvalidFolderName`].
    pub fn folder(&self, name: &str) -> Result<Self, MaildirError> {
        // No level is empty, so the name does not begin with a dot and is not `..`; it has no slash,
        // so it does not lead out of the Maildir.
        let is_valid = name.len() <= MAX_NAME
            && name.split('.').all(|level| !level.is_empty())
            && !name.contains(|c: char| c == '/' || c.is_control());
        if !is_valid {
            let name = name.to_owned();
            return Err(MaildirError::InvalidFolderName { name });
        }
        Ok(Self::new(self.path().join(format!(".{name}"))))
    }

    /// The names of the existing subfolders, sorted.
    ///
    /// # Errors
    ///
    /// [`MaildirError::Io`].
    pub fn folders(&self) -> Result<Vec<String>, MaildirError> {
        let mut names = Vec::new();
        for file in fs::read_dir(self.path()).map_err(MaildirError::at(self.path()))? {
            let file = file.map_err(MaildirError::at(self.path()))?;
            let name = file.file_name().into_string().unwrap_or_default();
            let Some(name) = name.strip_prefix('.') else {
                continue;
            };
            // A folder whose name begins with a dot, but that has no `cur`, `new` and `tmp`, is not a
            // subfolder.
            if self.folder(name).is_ok_and(|folder| folder.exists()) {
                names.push(name.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// Creates a subfolder.
    ///
    /// # Errors
    ///
    /// [`MaildirError::InvalidFolderName`], [`MaildirError::FolderExists`], [`MaildirError::Io`].
    pub fn create_folder(&self, name: &str) -> Result<Self, MaildirError> {
        let folder = self.folder(name)?;
        if folder.exists() {
            let name = name.to_owned();
            return Err(MaildirError::FolderExists { name });
        }
        // Before `maildirfolder`: if writing that file fails, the folder is a Maildir all the same.
        folder.create()?;
        // Shows to programs that deliver mail that this folder is a subfolder of a Maildir.
        let mark = folder.path().join("maildirfolder");
        fs::write(&mark, "").map_err(MaildirError::at(&mark))?;
        Ok(folder)
    }

    /// Renames a subfolder. The subfolders below it keep their names.
    ///
    /// # Errors
    ///
    /// [`MaildirError::InvalidFolderName`], [`MaildirError::FolderExists`],
    /// [`MaildirError::NoMaildir`] if there is no subfolder `name`, [`MaildirError::Io`].
    pub fn rename_folder(&self, name: &str, to: &str) -> Result<(), MaildirError> {
        let (from, renamed) = (self.folder(name)?, self.folder(to)?);
        // If another program creates the folder after this check, `rename` fails, because it does not
        // replace a folder that is not empty.
        if renamed.exists() {
            let name = to.to_owned();
            return Err(MaildirError::FolderExists { name });
        }
        let moved = fs::rename(from.path(), renamed.path());
        moved.map_err(|error| from.missing(error))?;
        sync_folder(self.path())
    }

    /// Removes a subfolder with its messages. The subfolders below it stay.
    ///
    /// # Errors
    ///
    /// [`MaildirError::InvalidFolderName`], [`MaildirError::NoMaildir`], [`MaildirError::Io`].
    pub fn remove_folder(&self, name: &str) -> Result<(), MaildirError> {
        let folder = self.folder(name)?;
        // Moved to `tmp` as a whole, where no program looks for subfolders, and then deleted: other
        // programs see all of it or nothing.
        let away: PathBuf = self.path().join("tmp").join(unique::name());
        let moved = fs::rename(folder.path(), &away);
        moved.map_err(|error| folder.missing(error))?;
        match fs::remove_dir_all(&away) {
            // `create`, which each delivery calls, may have removed it: it removes old entries of
            // `tmp`, and the move does not renew the times of the folder.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(MaildirError::at(&away)),
        }
    }

    fn missing(&self, error: std::io::Error) -> MaildirError {
        match error.kind() {
            ErrorKind::NotFound => MaildirError::NoMaildir {
                path: self.path().to_owned(),
            },
            _ => MaildirError::at(self.path())(error),
        }
    }
}
