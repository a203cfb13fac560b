//! `Common`: the configuration that servers and clients share.

use std::collections::HashMap;
use std::time::Duration;

use crate::info::TlsVersion;
use crate::provider::Provider;

/// Default of `handshake_timeout`.
// TCP sends a lost segment again after 1, 3 and 7 s, so a client on a bad line has three such
// retransmissions, and 3 s for its round trips. With a longer timeout, clients that never finish
// would hold more memory at a time.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Configuration of both sides.
#[derive(Clone, Debug)]
pub(crate) struct Common {
    pub(crate) provider: Option<Provider>,
    /// Empty: all versions.
    pub(crate) versions: Vec<TlsVersion>,
    pub(crate) alpn: Vec<Vec<u8>>,
    pub(crate) timeout: Duration,
    pub(crate) logs_keys: bool,
}

impl Default for Common {
    fn default() -> Self {
        Self {
            provider: None,
            versions: Vec::new(),
            alpn: Vec::new(),
            timeout: HANDSHAKE_TIMEOUT,
            logs_keys: false,
        }
    }
}

/// Setters of both builders.
macro_rules! common_setters {
    () => {
        /// Uses the cryptography of `provider`.
        pub fn provider(mut self, provider: crate::Provider) -> Self {
            self.common.provider = Some(provider);
            self
        }

        /// Allows only these versions; TLS 1.2 and 1.3 by default.
        pub fn versions(mut self, versions: impl IntoIterator<Item = crate::TlsVersion>) -> Self {
            self.common.versions = versions.into_iter().collect();
            self
        }

        /// Offers these application protocols (ALPN), in order of preference: `h2`, `http/1.1`. By
        /// default, the handshake does not negotiate one.
        pub fn alpn<N: AsRef<[u8]>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
            let names = names.into_iter();
            self.common.alpn = names.map(|name| name.as_ref().to_vec()).collect();
            self
        }

        /// Sets the maximum time of a handshake; 10 s by default.
        pub fn handshake_timeout(mut self, timeout: std::time::Duration) -> Self {
            self.common.timeout = timeout;
            self
        }

        /// Writes the keys of all connections to the file that the environment variable
        /// `SSLKEYLOGFILE` names, if it is set: Wireshark can read the connections with them,
        /// as can anyone with access to the file.
        pub fn log_keys(mut self) -> Self {
            self.common.logs_keys = true;
            self
        }
    };
}
pub(crate) use common_setters;

/// A map from the names of a server to values, with a default for all other names.
#[derive(Clone, Debug)]
pub(crate) struct Names<T> {
    /// In lower case; `*.` before a name stands for one label.
    named: HashMap<String, T>,
    other: Option<T>,
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Self {
            named: HashMap::new(),
            other: None,
        }
    }
}

impl<T> Names<T> {
    pub(crate) fn set(&mut self, name: Option<&str>, value: T) {
        match name {
            // A later certificate for the same name replaces the first.
            Some(name) => drop(self.named.insert(name.to_ascii_lowercase(), value)),
            None => self.other = Some(value),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.named.is_empty() && self.other.is_none()
    }

    /// The value of the name itself, else of its wildcard, else the default.
    pub(crate) fn find(&self, name: Option<&str>) -> Option<&T> {
        let of_name = name.and_then(|name| {
            let name = name.to_ascii_lowercase();
            let of_wildcard = || {
                // `*` is the whole leftmost label and matches one label (RFC 9525, section 6.3). So
                // one look-up decides, however many wildcards there are.
                let (_, parent) = name.split_once('.')?;
                self.named.get(&format!("*.{parent}"))
            };
            // The exact name goes first: a wildcard is for the names that have no certificate of
            // their own.
            self.named.get(&name).or_else(of_wildcard)
        });
        of_name.or(self.other.as_ref())
    }

    pub(crate) fn try_map<U, E>(
        &self,
        mut f: impl FnMut(&T) -> Result<U, E>,
    ) -> Result<Names<U>, E> {
        let named = self.named.iter();
        Ok(Names {
            named: named
                .map(|(name, value)| Ok((name.clone(), f(value)?)))
                .collect::<Result<_, E>>()?,
            other: self.other.as_ref().map(f).transpose()?,
        })
    }
}
