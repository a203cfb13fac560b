//! `SystemResolver`: names as the system knows them.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use deferred::{Deferred, Failure, fail};

use super::api::Resolver;
use crate::error::ResolveError;
use crate::handle::ReactorHandle;
use crate::threads::ThreadPool;

/// How many names are asked for at the same time.
const MAX_THREADS: usize = 4;

/// What it says in a test reactor, where answers of the system would come or not.
const NO_NAMES: &str = "a test reactor does not ask the system for names: give it a resolver \
                        with `set_resolver`";

/// Asks the system (`getaddrinfo`): its hosts file, its name servers.
///
/// The system blocks while it looks, so it is asked in threads: four at the most. They
/// are not those of [`defer_to_thread`](ReactorHandle::defer_to_thread), so that no other
/// work keeps a name from being found. Further names wait. A name that is cancelled
/// while it waits is not asked for.
///
/// In a [test reactor](crate::testing) it fails with an error that says so.
///
/// Dropping this, with its reactor, does not wait for the system: a thread that asks it
/// ends when it has its answer.
///
/// # Examples
///
/// ```
/// use reactor::{Reactor, SystemResolver};
///
/// let reactor = Reactor::new()?;
/// // It asks for many names at once.
/// reactor.set_resolver(SystemResolver::with_max_threads(20));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SystemResolver {
    pool: ThreadPool,
}

impl SystemResolver {
    /// With four threads at the most. None is started before the first question.
    pub fn new() -> Self {
        Self::with_max_threads(MAX_THREADS)
    }

    /// With `max_threads` threads at the most, and one at least.
    pub fn with_max_threads(max_threads: usize) -> Self {
        Self {
            pool: ThreadPool::new("resolver", max_threads.max(1)),
        }
    }
}

impl Default for SystemResolver {
    fn default() -> Self {
        Self::new()
    }
}

impl Resolver for SystemResolver {
    fn resolve(&self, reactor: &ReactorHandle, host: &str, port: u16) -> Deferred<Vec<SocketAddr>> {
        let core = match reactor.core() {
            Ok(core) => core,
            Err(gone) => return fail(gone),
        };
        // A test must not depend on the names that its machine knows.
        if let Err(error) = core.require_system(NO_NAMES) {
            return fail(ResolveError::new(host, Some(error)));
        }
        let host = host.to_owned();
        self.pool.defer(&core, move || {
            let found: io::Result<_> = (host.as_str(), port).to_socket_addrs();
            match found {
                Ok(addresses) => Ok(addresses.collect()),
                Err(error) => Err(Failure::new(ResolveError::new(host, Some(error)))),
            }
        })
    }
}

impl Drop for SystemResolver {
    fn drop(&mut self) {
        // `getaddrinfo` cannot be interrupted: the threads end after the look-up that they are at,
        // and are not waited for.
        self.pool.close();
    }
}
