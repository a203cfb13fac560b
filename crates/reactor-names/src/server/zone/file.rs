//! `ZoneFile`: a zone that is read again while it is served.

use std::cell::{Cell, RefCell};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use deferred::{Deferred, settled};
use hickory_proto::op::Message;
use hickory_proto::rr::Name;
use ipnet::IpNet;
use reactor::ReactorHandle;

use super::{Zone, ZoneError};
use crate::server::answers::Answers;
use crate::server::clients::Networks;
use crate::server::request::DnsRequest;
use crate::server::transfer::notify;
use crate::stamp::{Stamp, stamp};

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
    /// The networks whose clients may transfer the zone. Each secondary is one of them.
    networks: Networks,
    secondaries: Vec<SocketAddr>,
    /// The stamp of the file when it was read last, even if it was faulty.
    stamp: Cell<Option<Stamp>>,
}

impl ZoneFile {
    /// Reads the zone `origin` from a file. The call blocks while it reads.
    ///
    /// # Errors
    ///
    /// [`ZoneError`] says what is wrong with the file.
    pub fn open(path: impl Into<PathBuf>, origin: &str) -> Result<Self, ZoneError> {
        let path = path.into();
        // Taken before the file is read, so that a change in between is detected later.
        let stamp = Cell::new(stamp(&path));
        let zone = RefCell::new(read(&path, origin)?);
        Ok(Self {
            path,
            origin: origin.to_owned(),
            zone,
            networks: Networks::default(),
            secondaries: Vec::new(),
            stamp,
        })
    }

    /// Servers that have a copy of the zone: they may transfer it, and
    /// [`notify_secondaries`](Self::notify_secondaries) tells them of a new version.
    #[must_use]
    pub fn with_secondaries(mut self, secondaries: impl IntoIterator<Item = SocketAddr>) -> Self {
        for secondary in secondaries {
            self.networks.extend([secondary.ip().to_canonical().into()]);
            self.secondaries.push(secondary);
        }
        self
    }

    /// Lets the clients of these networks transfer the zone (AXFR). By default, only the
    /// secondaries may.
    #[must_use]
    pub fn allow_transfer(mut self, networks: impl IntoIterator<Item = IpNet>) -> Self {
        self.networks.extend(networks);
        self
    }

    /// The zone as it was read last.
    pub fn zone(&self) -> Zone {
        self.zone.borrow().clone()
    }

    /// Tells the secondaries that there is a new version, each as [`notify`](crate::notify) does. Call it
    /// after the zone was read again. The Deferred has a result for each of them.
    pub fn notify_secondaries(
        &self,
        reactor: &ReactorHandle,
    ) -> Deferred<Vec<deferred::Result<()>>> {
        let zone = self.zone();
        let told = self.secondaries.iter();
        settled(told.map(|secondary| notify(reactor, &zone, *secondary)))
    }

    /// The name of the zone.
    pub fn origin(&self) -> Name {
        self.zone.borrow().origin().clone()
    }

    /// Reads the file again, for example at SIGHUP. The call blocks while it reads.
    ///
    /// # Errors
    /// [`ZoneError`] says what is wrong with the file. Then the zone stays as it was.
    pub fn reload(&self) -> Result<(), ZoneError> {
        // Also if the file is faulty: `reload_if_changed` reports each faulty version once.
        self.stamp.set(stamp(&self.path));
        let zone = read(&self.path, &self.origin)?;
        self.zone.replace(zone);
        Ok(())
    }

    /// Reads the file again if its time of modification or its length have changed since it was
    /// read. Returns whether it has read the file. Call this every few seconds.
    ///
    /// # Errors
    ///
    /// As for [`reload`](Self::reload), once for each change of the file.
    pub fn reload_if_changed(&self) -> Result<bool, ZoneError> {
        let has_changed = self.stamp.get() != stamp(&self.path);
        if has_changed {
            self.reload()?;
        }
        Ok(has_changed)
    }
}

fn read(path: &Path, origin: &str) -> Result<Zone, ZoneError> {
    let text = fs::read_to_string(path).map_err(|error| ZoneError::Io(Arc::new(error)))?;
    Zone::parse(&text, origin)
}

impl Answers for ZoneFile {
    fn answer(
        &self,
        reactor: &ReactorHandle,
        request: &DnsRequest,
        response: Message,
    ) -> Deferred<Message> {
        self.zone.borrow().answer(reactor, request, response)
    }

    fn transfer(&self, request: &DnsRequest) -> Option<Zone> {
        let is_allowed = self.networks.contains(request.client());
        is_allowed.then(|| self.zone())
    }
}
