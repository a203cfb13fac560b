//! `ClientServiceBuilder`: the options of a client service.

use std::fmt;
use std::time::Duration;

use deferred::{Outcome, maybe_deferred};

use super::backoff::Backoff;
use super::machine::{BuildFn, Machine, PrepareFn, RetryFn, build_with};
use super::service::ClientService;
use crate::connection::{Connection, Factory, Protocol};
use crate::endpoint::ClientEndpoint;
use crate::handle::ReactorHandle;

impl<P: Protocol> ClientService<P> {
    /// A service that keeps a connection to `endpoint`. Each connection gets a protocol of
    /// `factory`.
    pub fn builder<F>(
        endpoint: impl ClientEndpoint + 'static,
        factory: F,
    ) -> ClientServiceBuilder<P>
    where
        F: Factory<Protocol = P>,
    {
        ClientServiceBuilder::new(endpoint, factory)
    }
}

/// Makes a [`ClientService`]: see [`ClientService::builder`].
///
/// # Examples
///
/// A service that logs in before it counts as connected:
///
/// ```
/// # use deferred::Failure;
/// # use reactor::{Context, Lines, Protocol, testing::TestReactor};
/// use reactor::{Backoff, ClientService};
/// use std::time::Duration;
/// # struct Session { logged_in: Option<deferred::Trigger<()>> }
/// # impl Protocol for Session {
/// #     type Framing = Lines;
/// #     fn received(&mut self, _: &mut Context<'_, Self>, line: &[u8]) -> deferred::Result<()> {
/// #         if let Some(trigger) = self.logged_in.take() {
/// #             match line { b"welcome" => trigger.callback(())?, _ => trigger.errback(Failure::msg("refused"))? }
/// #         }
/// #         Ok(())
/// #     }
/// # }
/// # impl Session {
/// #     fn log_in(&mut self, cx: &mut Context<'_, Self>) -> deferred::Deferred<()> {
/// #         let (trigger, logged_in) = deferred::Deferred::pair();
/// #         self.logged_in = Some(trigger);
/// #         cx.send_line("hello");
/// #         logged_in
/// #     }
/// # }
/// # struct Server;
/// # impl Protocol for Server {
/// #     type Framing = Lines;
/// #     fn received(&mut self, cx: &mut Context<'_, Self>, _: &[u8]) -> deferred::Result<()> {
/// #         cx.send_line("welcome");
/// #         Ok(())
/// #     }
/// # }
///
/// # let reactor = TestReactor::new();
/// # reactor.listen_tcp("192.0.2.1:80", || Server)?;
/// let service = ClientService::builder("192.0.2.1:80", || Session { logged_in: None })
///     .backoff(Backoff::new().max(Duration::from_secs(10)))
///     .prepare(|connection| connection.call(|session, cx| session.log_in(cx)))
///     .start(&reactor);
/// let connected = service.when_connected();
/// # reactor.settle();
/// # assert!(connected.into_result().unwrap().is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a service does nothing before it is started"]
pub struct ClientServiceBuilder<P: Protocol> {
    endpoint: Box<dyn ClientEndpoint>,
    build: BuildFn<P>,
    retry: RetryFn,
    prepare: Option<PrepareFn<P>>,
}

impl<P: Protocol> ClientServiceBuilder<P> {
    pub(super) fn new<F>(endpoint: impl ClientEndpoint + 'static, factory: F) -> Self
    where
        F: Factory<Protocol = P>,
    {
        let builder = Self {
            endpoint: Box::new(endpoint),
            build: build_with(factory),
            // A placeholder, which `backoff` replaces in the next line.
            retry: Box::new(|_failures| Duration::ZERO),
            prepare: None,
        };
        builder.backoff(Backoff::new())
    }

    /// Sets the delays between attempts. Of this and [`retry`](Self::retry), the last call counts.
    /// Without either, the delays are those of [`Backoff::new`].
    pub fn backoff(self, mut backoff: Backoff) -> Self {
        self.retry(move |failures| backoff.delay(failures))
    }

    /// Sets the delays between attempts by a function. Its argument is the number of failures since
    /// the last success: 1 after the first one. (Twisted: `retryPolicy`.)
    #[doc(alias = "retryPolicy")]
    pub fn retry(mut self, delay: impl FnMut(u32) -> Duration + 'static) -> Self {
        self.retry = Box::new(delay);
        self
    }

    /// Calls `prepare` with each new connection, for example to log in or to subscribe. The service
    /// counts as connected when the outcome of `prepare` is a success. If the outcome is a failure,
    /// the connection is closed, and the attempt counts as failed. If the connection is lost or the
    /// service is stopped before there is an outcome, the Deferred that `prepare` has returned is
    /// cancelled. (Twisted: `prepareConnection`.)
    #[doc(alias = "prepareConnection")]
    pub fn prepare<O>(mut self, mut prepare: impl FnMut(&Connection<P>) -> O + 'static) -> Self
    where
        O: Outcome<Value = ()>,
    {
        // A panic of `prepare` becomes a failure here, and so a failed attempt.
        self.prepare = Some(Box::new(move |connection| {
            maybe_deferred(|| prepare(connection))
        }));
        self
    }

    /// Makes the service. It connects when it is [started](ClientService::start).
    pub fn build(self, reactor: &ReactorHandle) -> ClientService<P> {
        ClientService::new(Machine::new(
            reactor,
            self.endpoint,
            self.build,
            self.retry,
            self.prepare,
        ))
    }

    /// Makes the service and starts it.
    pub fn start(self, reactor: &ReactorHandle) -> ClientService<P> {
        let service = self.build(reactor);
        service.start();
        service
    }
}

impl<P: Protocol> fmt::Debug for ClientServiceBuilder<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientServiceBuilder")
            .finish_non_exhaustive()
    }
}
