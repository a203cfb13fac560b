//! `Dns`: names in, records out.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::slice;

use deferred::{
    Cancelled, Deferred, Failure, Result, SingleFlight, fail, inline_callbacks, succeed,
};
use hickory_proto::rr::{Name, Record, RecordType};
use reactor::ReactorHandle;

use super::answer::{Answer, Content, MAX_ALIASES};
use super::cache::Cache;
use super::files::Sources;
use super::lookup::Lookup;
use super::question::Key;
use super::schedule::Servers;
use crate::config::DnsConfig;
use crate::error::{LookupError, LookupErrorKind};
use crate::hosts::Hosts;

/// A DNS client: asks the servers of a [`DnsConfig`] and caches what they answer. It is a
/// [`Resolver`](reactor::Resolver) for the names that a reactor connects to, and has look-ups of
/// all types of records.
///
/// The clones share the cache and the connections. Dropping all of them closes the connections.
/// Cache and connections belong to one reactor: if another reactor uses the client, it begins with
/// empty ones.
///
/// If several callers ask the same question at the same time, it is sent once. Cancelling a
/// Deferred ends its question and closes its port, unless another caller waits for the same answer.
///
/// # Examples
///
/// ```no_run
/// use reactor::Reactor;
/// use reactor_names::Dns;
///
/// let reactor = Reactor::new()?;
/// let dns = Dns::from_system()?;
/// reactor.set_resolver(dns.clone());
/// let mail_servers = reactor.block_on(dns.lookup_mx(&reactor, "example.org"))?;
/// for server in mail_servers {
///     println!("{} {}", server.preference, server.exchange);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Dns {
    shared: Rc<Shared>,
}

struct Shared {
    sources: Sources,
    /// The state for the reactor that has asked last.
    current: RefCell<Option<(ReactorHandle, Rc<PerReactor>)>>,
}

/// The state for one reactor: the sockets belong to it, and times are by its clock.
pub(super) struct PerReactor {
    servers: Rc<Servers>,
    pub(super) cache: RefCell<Cache>,
    in_flight: SingleFlight<Key, Answer>,
}

impl Dns {
    /// A client with this configuration. The addresses in `hosts` come before those of DNS.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor::testing::TestReactor;
    /// use reactor_names::{Dns, DnsConfig, Hosts};
    ///
    /// let reactor = TestReactor::new();
    /// let hosts = Hosts::parse("192.0.2.7 database");
    /// reactor.set_resolver(Dns::new(DnsConfig::new(["192.0.2.53:53".parse()?]), hosts));
    /// let found = reactor.result_of(reactor.resolve("database", 5432))?;
    /// assert_eq!(found, ["192.0.2.7:5432".parse()?]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(config: DnsConfig, hosts: Hosts) -> Self {
        Self::of(Sources::fixed(config, hosts))
    }

    /// A client with the configuration of this system: `/etc/resolv.conf` and `/etc/hosts`.
    ///
    /// # Errors
    ///
    /// As for [`from_files`](Self::from_files).
    pub fn from_system() -> io::Result<Self> {
        Self::from_files("/etc/resolv.conf", "/etc/hosts")
    }

    /// A client with the configuration in these files. A file that does not exist counts as empty.
    /// The files are read again when they have changed, at most once a second; the cache is emptied
    /// then.
    ///
    /// # Errors
    ///
    /// A file cannot be read.
    pub fn from_files(
        resolv_conf: impl Into<PathBuf>,
        hosts: impl Into<PathBuf>,
    ) -> io::Result<Self> {
        Ok(Self::of(Sources::of_files(
            resolv_conf.into(),
            hosts.into(),
        )?))
    }

    fn of(sources: Sources) -> Self {
        Self {
            shared: Rc::new(Shared {
                sources,
                current: RefCell::default(),
            }),
        }
    }

    /// The records of a type. A name with few dots is completed by the search list, unless it ends
    /// with a dot.
    ///
    /// # Errors
    ///
    /// A [`LookupError`] through the Deferred.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # let reactor = reactor::Reactor::new()?;
    /// # let dns = reactor_names::Dns::from_system()?;
    /// use reactor_names::hickory_proto::rr::RecordType;
    ///
    /// let found = reactor.block_on(dns.lookup(&reactor, "example.org", RecordType::CAA))?;
    /// println!("{:?}", found.records);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn lookup(
        &self,
        reactor: &ReactorHandle,
        name: &str,
        record_type: RecordType,
    ) -> Deferred<Lookup> {
        self.refresh(reactor);
        self.search(reactor, name, record_type, move |dns, reactor, name| {
            dns.lookup_absolute(reactor, name, record_type)
        })
    }

    /// Asks for each name that `given` may stand for, until there is an answer. The caller has
    /// [refreshed](Self::refresh) the configuration.
    #[track_caller]
    pub(super) fn search<T: 'static>(
        &self,
        reactor: &ReactorHandle,
        given: &str,
        record_type: RecordType,
        ask: impl Fn(&Self, &ReactorHandle, Name) -> Deferred<T> + 'static,
    ) -> Deferred<T> {
        let mut errors = SearchErrors::default();
        let Some((first, others)) = self.candidates(given) else {
            return fail(errors.result(given, record_type));
        };
        // An answer from the cache needs no async body.
        let mut asked = match ask(self, reactor, first).into_result() {
            Ok(Ok(found)) => return succeed(found),
            Ok(failed) => Deferred::from(failed),
            Err(waits) => waits,
        };
        let (dns, reactor, given) = (self.clone(), reactor.clone(), given.to_owned());
        inline_callbacks(async move {
            let mut others = others.into_iter();
            loop {
                match asked.await {
                    Ok(found) => return Ok(found),
                    Err(failure) => errors.add(failure)?,
                }
                let Some(next) = others.next() else {
                    return Err(errors.result(&given, record_type));
                };
                asked = ask(&dns, &reactor, next);
            }
        })
    }

    /// Number of answers in the cache, some of which may have expired.
    pub fn cached(&self) -> usize {
        let current = self.shared.current.borrow();
        current
            .as_ref()
            .map_or(0, |(_, known)| known.cache.borrow().len())
    }

    /// Forgets all answers.
    pub fn clear_cache(&self) {
        if let Some((_, known)) = &*self.shared.current.borrow() {
            known.cache.borrow_mut().clear();
        }
    }

    pub(super) fn per_reactor(&self, reactor: &ReactorHandle) -> Rc<PerReactor> {
        let mut current = self.shared.current.borrow_mut();
        if let Some((of, known)) = &*current
            && of == reactor
        {
            return Rc::clone(known);
        }
        self.shared.sources.look_again();
        let known = Rc::new(PerReactor {
            servers: Rc::default(),
            cache: RefCell::default(),
            in_flight: SingleFlight::new(),
        });
        let replaced = current.replace((reactor.clone(), Rc::clone(&known)));
        drop(current);
        // The drop closes the connections of the other reactor, with nothing borrowed.
        drop(replaced);
        known
    }

    /// The hosts as of now.
    pub(super) fn hosts(&self, reactor: &ReactorHandle) -> Rc<Hosts> {
        self.refresh(reactor);
        self.shared.sources.hosts()
    }

    pub(super) fn config(&self) -> Rc<DnsConfig> {
        self.shared.sources.config()
    }

    /// Reads the files of the configuration again if they have changed.
    pub(crate) fn refresh(&self, reactor: &ReactorHandle) {
        // First, because for another reactor this resets the time of the last check of the files.
        drop(self.per_reactor(reactor));
        if self.shared.sources.refresh(reactor) {
            self.clear_cache();
        }
    }

    /// The names to ask for: the first, and the others in order. `None` if `name` is not a valid
    /// one.
    fn candidates(&self, name: &str) -> Option<(Name, Vec<Name>)> {
        // `from_utf8` converts other letters (IDNA), and makes all letters lower case.
        let parsed = match name.is_ascii() {
            true => Name::from_ascii(name),
            false => Name::from_utf8(name),
        };
        let mut absolute = parsed.ok()?;
        if absolute.is_fqdn() {
            return Some((absolute, Vec::new()));
        }
        let config = self.config();
        // A name that is too long with the suffix cannot exist.
        let searched = config
            .search
            .iter()
            .filter_map(|suffix| absolute.clone().append_domain(suffix).ok());
        let mut searched: Vec<_> = searched.collect();
        let dots = usize::from(absolute.num_labels()).saturating_sub(1);
        absolute.set_fqdn(true);
        if dots >= config.ndots || searched.is_empty() {
            return Some((absolute, searched));
        }
        searched.push(absolute);
        Some((searched.remove(0), searched))
    }

    /// Follows aliases, of which each answer may have some.
    pub(crate) fn lookup_absolute(
        &self,
        reactor: &ReactorHandle,
        name: Name,
        record_type: RecordType,
    ) -> Deferred<Lookup> {
        let mut asked = match self
            .answer(reactor, (name.clone(), record_type))
            .into_result()
        {
            // An answer from the cache needs no async body.
            Ok(Ok(Answer {
                content: Content::Records { aliases, records },
                ..
            })) => return succeed(in_case_of(name, aliases, records)),
            Ok(result) => Deferred::from(result),
            Err(pending) => pending,
        };
        let (dns, reactor) = (self.clone(), reactor.clone());
        inline_callbacks(async move {
            let error = |kind| LookupError::new(kind, name.to_string(), record_type);
            let mut path = Vec::new();
            loop {
                match asked.await?.content {
                    Content::Records { aliases, records } => {
                        path.extend(aliases);
                        return Ok(in_case_of(name, path, records));
                    }
                    Content::None { kind, aliases, soa } => {
                        path.extend(aliases);
                        return Err(Failure::new(error(kind).with_proof(path, soa)));
                    }
                    Content::Alias { aliases, target } => {
                        path.extend(aliases);
                        // This ends a circle of aliases, too, of which each message has a part.
                        if path.len() > MAX_ALIASES {
                            return Err(Failure::new(error(LookupErrorKind::TooManyAliases)));
                        }
                        asked = dns.answer(&reactor, (target, record_type));
                    }
                }
            }
        })
    }

    /// From the cache, or else from the servers.
    fn answer(&self, reactor: &ReactorHandle, key: Key) -> Deferred<Answer> {
        let known = self.per_reactor(reactor);
        let cached = known.cache.borrow_mut().get(&key, reactor.now());
        if let Some(answer) = cached {
            return succeed(answer);
        }
        // No borrow of the cache is left: the callbacks of this question may ask others.
        known.in_flight.get(key.clone(), || {
            let (config, reactor) = (self.config(), reactor.clone());
            // Weak: a question on its way must not keep the client, whose last clone closes the
            // connections.
            let (shared, known_later) = (Rc::downgrade(&self.shared), Rc::downgrade(&known));
            let asked = known.servers.ask(&reactor, Rc::clone(&config), key.clone());
            asked.add_callback(move |answer| {
                // The answer of servers that have been replaced since then is not kept.
                if let (Some(shared), Some(known)) = (shared.upgrade(), known_later.upgrade())
                    && shared.sources.config() == config
                {
                    let mut cache = known.cache.borrow_mut();
                    cache.insert(&key, answer.clone(), reactor.now(), config.max_cached);
                }
                Ok(answer)
            })
        })
    }
}

/// Gives the records of `name` its case, since an answer from the cache has that of an earlier
/// question.
fn in_case_of(name: Name, mut aliases: Vec<Record>, mut records: Vec<Record>) -> Lookup {
    // The aliases begin at `name`, and the records are those of the last one's target.
    let owned = match &mut *aliases {
        [] => &mut *records,
        [first, ..] => slice::from_mut(first),
    };
    for record in owned {
        record.name = name.clone();
    }
    Lookup {
        name,
        aliases,
        records,
    }
}

/// The failures of the names of a search list, of which the most informative one is kept. As in
/// glibc, the search goes on with the next name if the servers refuse a name or fail for it.
#[derive(Default)]
pub(super) struct SearchErrors {
    best: Option<(u8, Failure)>,
}

impl SearchErrors {
    /// Adds the failure of one name, so that the search goes on with the next.
    ///
    /// # Errors
    ///
    /// The failure, if it ends the search: a cancel, or a timeout.
    pub(super) fn add(&mut self, failure: Failure) -> Result<()> {
        if failure.is::<Cancelled>() {
            return Err(failure);
        }
        let kind = failure.downcast_ref().map(LookupError::kind);
        let rank = match kind {
            // The servers do not answer, and will not answer for the next name either.
            Some(LookupErrorKind::TimedOut) | None => return Err(failure),
            Some(LookupErrorKind::NoRecords) => 3,
            Some(LookupErrorKind::NoSuchName) => 1,
            Some(_) => 2,
        };
        if self.best.as_ref().is_none_or(|(best, _)| *best < rank) {
            self.best = Some((rank, failure));
        }
        Ok(())
    }

    pub(super) fn result(self, name: &str, record_type: RecordType) -> Failure {
        let invalid = || LookupError::new(LookupErrorKind::InvalidName, name, record_type);
        self.best
            .map_or_else(|| Failure::new(invalid()), |(_, failure)| failure)
    }
}

impl fmt::Debug for Dns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dns")
            .field("config", &self.config())
            .field("cached", &self.cached())
            .finish_non_exhaustive()
    }
}
