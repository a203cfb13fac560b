//! Configuration and hosts, read again when their files have changed.

use std::cell::{Cell, RefCell};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use reactor::ReactorHandle;

use crate::config::DnsConfig;
use crate::hosts::Hosts;
use crate::stamp::{Stamp, stamp};

/// The least time between two checks whether the files have changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Where configuration and hosts come from.
pub(super) struct Sources {
    config: RefCell<Rc<DnsConfig>>,
    hosts: RefCell<Rc<Hosts>>,
    files: Option<Files>,
}

struct Files {
    resolv_conf: PathBuf,
    hosts: PathBuf,
    /// Modification times and lengths as of the last reading.
    seen: Cell<[Option<Stamp>; 2]>,
    /// When the files were checked last, by the clock of the reactor.
    looked_at: Cell<Option<Duration>>,
}

impl Sources {
    pub(super) fn fixed(config: DnsConfig, hosts: Hosts) -> Self {
        Self {
            config: RefCell::new(Rc::new(config)),
            hosts: RefCell::new(Rc::new(hosts)),
            files: None,
        }
    }

    /// A file that does not exist counts as empty.
    pub(super) fn of_files(resolv_conf: PathBuf, hosts: PathBuf) -> io::Result<Self> {
        let files = Files {
            // Taken before the files are read, here and in `has_changed`, so that a change in
            // between is detected by the next check.
            seen: Cell::new([stamp(&resolv_conf), stamp(&hosts)]),
            resolv_conf,
            hosts,
            looked_at: Cell::new(None),
        };
        let (config, hosts) = files.read()?;
        Ok(Self {
            files: Some(files),
            ..Self::fixed(config, hosts)
        })
    }

    pub(super) fn config(&self) -> Rc<DnsConfig> {
        Rc::clone(&self.config.borrow())
    }

    pub(super) fn hosts(&self) -> Rc<Hosts> {
        Rc::clone(&self.hosts.borrow())
    }

    /// Makes the next `refresh` check the files, since the time of the last check was that of
    /// another reactor.
    pub(super) fn look_again(&self) {
        if let Some(files) = &self.files {
            files.looked_at.set(None);
        }
    }

    /// Reads the files again if they have changed. Returns whether it has read them.
    pub(super) fn refresh(&self, reactor: &ReactorHandle) -> bool {
        let Some(files) = &self.files else {
            return false;
        };
        if !self.config.borrow().reload || !files.has_changed(reactor.now()) {
            return false;
        }
        match files.read() {
            Ok((config, hosts)) => {
                self.config.replace(Rc::new(config));
                self.hosts.replace(Rc::new(hosts));
                true
            }
            // The stamps are new by now: the files are read again only after their next change.
            Err(error) => {
                tracing::warn!(target: "reactor", %error, "the DNS configuration stays as it was");
                false
            }
        }
    }
}

impl Files {
    fn has_changed(&self, now: Duration) -> bool {
        if let Some(last) = self.looked_at.get()
            && now.saturating_sub(last) < LOOK_EVERY
        {
            return false;
        }
        self.looked_at.set(Some(now));
        let current = [stamp(&self.resolv_conf), stamp(&self.hosts)];
        self.seen.replace(current) != current
    }

    fn read(&self) -> io::Result<(DnsConfig, Hosts)> {
        let config = DnsConfig::parse(read_or_empty(&self.resolv_conf)?);
        Ok((config, Hosts::parse(read_or_empty(&self.hosts)?)))
    }
}

fn read_or_empty(path: &PathBuf) -> io::Result<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read,
    }
}
