//! `SystemResolver`: resolves names by the system (`getaddrinfo`), in threads.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use deferred::{Deferred, Failure, fail};

use super::api::Resolver;
use crate::error::ResolveError;
use crate::handle::ReactorHandle;
use crate::threads::ThreadPool;

/// Default number of threads, and so of look-ups at the same time.
const MAX_THREADS: usize = 4;

/// Error text in a test reactor, in which results must not depend on the system.
const NO_NAMES: &str = "a test reactor does not ask the system for names: give it a resolver \
                        with `set_resolver`";

/// Resolves names by `getaddrinfo` of the system, which uses its hosts file and name servers.
///
/// `getaddrinfo` blocks, so it is called in threads: at most four by default. They are separate
/// from those of [`defer_to_thread`](ReactorHandle::defer_to_thread), so that other work cannot
/// delay look-ups. Further names wait. If a look-up is cancelled while it waits, the system is not
/// asked.
///
/// In a [test reactor](crate::testing), each look-up fails with an error that says why.
///
/// The drop of the resolver, with its reactor, does not wait for running look-ups: their threads
/// end when the system has answered.
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
    /// A resolver with at most four threads, which are started when they are needed.
    pub fn new() -> Self {
        Self::with_max_threads(MAX_THREADS)
    }

    /// A resolver with at most `max_threads` threads; 0 counts as 1.
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
        // `getaddrinfo` cannot be interrupted. The threads end after their current look-up, and are
        // not waited for.
        self.pool.close();
    }
}
