//! `ZoneFile`: a zone that is read again while it is served.

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use deferred::Deferred;
use hickory_proto::op::Message;
use reactor::ReactorHandle;

use super::{Zone, ZoneError};
use crate::server::answers::Answers;

/// A zone from a file, which [`reload`](Self::reload) reads again without a restart.
///
/// # Examples
///
/// ```
/// use std::fs;
///
/// use reactor_names::ZoneFile;
///
/// # let path = std::env::temp_dir().join(format!("reload-{}.zone", std::process::id()));
/// let soa = "@ 60 IN SOA ns hostmaster 1 3600 600 86400 60\n";
/// fs::write(&path, soa)?;
/// let zone = ZoneFile::open(&path, "example.org.")?;
///
/// fs::write(&path, "nonsense")?;
/// assert!(zone.reload().is_err());
/// // The records of before are served on, until this succeeds:
/// fs::write(&path, format!("{soa}www 60 IN A 192.0.2.1\n"))?;
/// zone.reload()?;
/// # fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ZoneFile {
    path: PathBuf,
    origin: String,
    zone: RefCell<Zone>,
}

impl ZoneFile {
    /// Reads the zone `origin` from a file. The call blocks while it reads.
    ///
    /// # Errors
    ///
    /// [`ZoneError`] says what is wrong with the file.
    pub fn open(path: impl Into<PathBuf>, origin: &str) -> Result<Self, ZoneError> {
        let path = path.into();
        let zone = RefCell::new(read(&path, origin)?);
        Ok(Self {
            path,
            origin: origin.to_owned(),
            zone,
        })
    }

    /// Reads the file again: at SIGHUP, say. The call blocks while it reads.
    ///
    /// # Errors
    ///
    /// [`ZoneError`] says what is wrong with the file. The zone stays as it was then.
    pub fn reload(&self) -> Result<(), ZoneError> {
        let zone = read(&self.path, &self.origin)?;
        self.zone.replace(zone);
        Ok(())
    }
}

fn read(path: &PathBuf, origin: &str) -> Result<Zone, ZoneError> {
    let text = fs::read_to_string(path).map_err(|error| ZoneError::Io(Arc::new(error)))?;
    Zone::parse(&text, origin)
}

impl Answers for ZoneFile {
    fn answer(
        &self,
        reactor: &ReactorHandle,
        query: &Message,
        response: Message,
    ) -> Deferred<Message> {
        self.zone.borrow().answer(reactor, query, response)
    }
}
