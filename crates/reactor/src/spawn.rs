//! `spawn` runs async bodies in the loop; `spawn_driver` runs futures of other crates that do the
//! I/O of a connection.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use deferred::{Abandoned, Deferred, Failure, Result, fail, inline_callbacks};

use crate::handle::{ReactorHandle, too_late};
use crate::system_event::{Phase, SystemEvent, SystemEventTrigger};

impl ReactorHandle {
    /// Runs an async body (a future, such as an `async` block) in the loop, and returns its result
    /// as a Deferred.
    ///
    /// Like [`inline_callbacks`], and in addition, this loop polls the body again when its waker is
    /// called, from any thread. The body begins at once, before this method returns. If the
    /// Deferred is cancelled, the Deferred for which the body waits is cancelled; a drop does not
    /// cancel.
    ///
    /// If the reactor is gone, the body is dropped and the Deferred fails.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::sleep;
    /// use reactor::Reactor;
    /// use std::time::Duration;
    ///
    /// let reactor = Reactor::new()?;
    /// let handle = reactor.handle();
    /// let counting = reactor.spawn(async move {
    ///     for number in 1..=3 {
    ///         sleep(&handle, Duration::from_millis(1)).await?;
    ///         println!("{number}");
    ///     }
    ///     Ok("done")
    /// });
    /// assert_eq!(reactor.block_on(counting).unwrap(), "done");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    #[doc(alias = "ensureDeferred")]
    #[doc(alias = "spawn_local")]
    #[doc(alias = "coroutine")]
    pub fn spawn<T, F>(&self, body: F) -> Deferred<T>
    where
        T: 'static,
        F: Future<Output = Result<T>> + 'static,
    {
        match self.core() {
            Ok(core) => {
                core.listen_for_tasks();
                inline_callbacks(body)
            }
            Err(gone) => fail(Failure::new(too_late(body, gone))),
        }
    }

    /// Runs the driver of a connection: a future that does the input and output of a client or
    /// server of another crate, and whose result is `()`, or a `Result` of it.
    ///
    /// The driver begins at once, before this method returns. An error of the driver fails the
    /// Deferred.
    ///
    /// At a stop, a driver ends without an error: at the end of the shutdown, or when the reactor
    /// is dropped, the driver is dropped, and the Deferred succeeds. While the reactor shuts down,
    /// an error of the driver is logged at level DEBUG, and the Deferred succeeds.
    ///
    /// If the Deferred is cancelled, the Deferred for which the driver waits is cancelled. If the
    /// driver still waits after that, it is dropped, and the Deferred fails. If the reactor is
    /// gone, the driver is dropped and the Deferred fails.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::DeferredQueue;
    /// use futures::AsyncWriteExt;
    /// use reactor::{ByteStream, testing};
    /// use std::future::Future;
    ///
    /// /// A client of a crate for `async` code: a handle, and the driver of its connection.
    /// fn client(stream: ByteStream) -> (DeferredQueue<String>, impl Future<Output = ()>) {
    ///     let queue = DeferredQueue::<String>::new();
    ///     (queue.clone(), drive(stream, queue))
    /// }
    ///
    /// async fn drive(mut stream: ByteStream, queue: DeferredQueue<String>) {
    ///     while let Ok(next) = queue.get() {
    ///         let Ok(line) = next.await else { return };
    ///         if stream.write_all(line.as_bytes()).await.is_err() {
    ///             return;
    ///         }
    ///     }
    /// }
    ///
    /// testing::run(|reactor| {
    ///     # let (protocol, stream) = reactor::ByteStreamProtocol::pair();
    ///     # let (_connection, server) = reactor.connect_to_peer(protocol);
    ///     # let stream = stream.into_result().unwrap().unwrap();
    ///     let (client, driver) = client(stream);
    ///     reactor.spawn_driver(driver).detach();
    ///     client.put("hello".to_owned()).unwrap();
    ///     assert_eq!(server.received(), b"hello");
    ///     reactor.shut_down(); // ends the driver, too
    /// });
    /// ```
    #[track_caller]
    #[doc(alias = "spawn_local")]
    pub fn spawn_driver<F>(&self, driver: F) -> Deferred<()>
    where
        F: Future<Output: DriverResult> + 'static,
    {
        match self.core() {
            Ok(core) => {
                core.listen_for_tasks();
                inline_callbacks(drive(self.clone(), driver))
            }
            Err(gone) => fail(Failure::new(too_late(driver, gone))),
        }
    }
}

/// Result of a driver, for [`ReactorHandle::spawn_driver`]: `()`, or `Result<(), E>` with an error
/// that `?` converts into a [`Failure`]. The trait is sealed.
///
/// # Examples
///
/// ```
/// use deferred::Deferred;
/// use reactor::{DriverResult, ReactorHandle};
/// use std::future::Future;
///
/// /// Logs how a driver ends.
/// fn drive<F>(reactor: &ReactorHandle, name: &'static str, driver: F) -> Deferred<()>
/// where
///     F: Future<Output: DriverResult> + 'static,
/// {
///     let driving = reactor.spawn_driver(driver);
///     driving.add_callback(move |()| println!("the driver of {name} has ended"))
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "the result of a driver cannot be `{Self}`",
    note = "for a future with a value, use `spawn`"
)]
pub trait DriverResult: Sealed {}

impl DriverResult for () {}

impl<E> DriverResult for std::result::Result<(), E> where Failure: From<E> {}

use self::sealed::Sealed;

mod sealed {
    use deferred::Failure;

    #[expect(unnameable_types, reason = "it seals `DriverResult`")]
    pub trait Sealed {
        fn into_result(self) -> deferred::Result<()>;
    }

    impl Sealed for () {
        fn into_result(self) -> deferred::Result<()> {
            Ok(())
        }
    }

    impl<E> Sealed for Result<(), E>
    where
        Failure: From<E>,
    {
        fn into_result(self) -> deferred::Result<()> {
            Ok(self?)
        }
    }
}

/// Polls `driver` until it ends or the reactor has shut down.
async fn drive<F>(reactor: ReactorHandle, driver: F) -> Result<()>
where
    F: Future<Output: DriverResult>,
{
    let mut shutdown = Shutdown::of(&reactor);
    let mut driver = pin!(driver);
    poll_fn(|cx| {
        // The driver is polled first, so that it learns how its connection has ended before it
        // is dropped.
        if let Poll::Ready(ended) = driver.as_mut().poll(cx) {
            return Poll::Ready(match ended.into_result() {
                Err(failure) if reactor.is_stopping() => {
                    tracing::debug!(target: "reactor", "a driver ended with the reactor: {failure}");
                    Ok(())
                }
                result => result,
            });
        }
        shutdown.poll(cx)
    })
    .await
}

/// Becomes ready after the shutdown of the reactor, or when the reactor is dropped. A cancel of the
/// Deferred of `drive` makes it ready with a failure.
struct Shutdown {
    reactor: ReactorHandle,
    /// `None` after this was ready.
    waiting: Option<Deferred<()>>,
    trigger: SystemEventTrigger,
}

impl Shutdown {
    fn of(reactor: &ReactorHandle) -> Self {
        let (fire, waiting) = Deferred::pair();
        let on_shutdown = move || {
            // Errs if the Deferred was cancelled: then the driver was dropped.
            let _ = fire.callback(());
        };
        Self {
            reactor: reactor.clone(),
            waiting: Some(waiting),
            trigger: reactor.add_system_event_trigger(
                Phase::After,
                SystemEvent::Shutdown,
                on_shutdown,
            ),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let Some(waiting) = &mut self.waiting else {
            return Poll::Ready(Ok(()));
        };
        let result = ready!(Pin::new(waiting).poll(cx));
        self.waiting = None;
        Poll::Ready(match result {
            // The reactor was dropped, and the trigger with it.
            Err(failure) if failure.is::<Abandoned>() => Ok(()),
            result => result,
        })
    }
}

impl Drop for Shutdown {
    fn drop(&mut self) {
        // Ignored before the trigger is removed, whose drop fails the Deferred; that would be
        // reported as an unhandled failure.
        if let Some(waiting) = self.waiting.take() {
            waiting.ignore();
        }
        // Errs if the trigger was called already.
        let _ = self.reactor.remove_system_event_trigger(self.trigger);
    }
}
