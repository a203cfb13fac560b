//! `Remote`: the way into a loop from other threads.

use std::fmt;
use std::sync::Arc;

use crate::core::Job;
use crate::error::ReactorGone;
use crate::handle::ReactorHandle;
use crate::inbox::Inbox;

/// The one handle on a reactor that may go to other threads.
///
/// Cheap to clone. It does not keep the reactor alive. From
/// [`ReactorHandle::remote`].
///
/// # Examples
///
/// ```
/// use reactor::Reactor;
/// use std::thread;
///
/// let reactor = Reactor::new().unwrap();
/// let remote = reactor.remote();
/// let worker = thread::spawn(move || {
///     let answer = 6 * 7;
///     remote.call_from_thread(move |reactor| {
///         println!("the answer is {answer}");
///         reactor.stop().unwrap();
///     })
/// });
/// reactor.run().unwrap();
/// worker.join().unwrap().unwrap();
/// ```
#[derive(Clone)]
pub struct Remote {
    inbox: Arc<Inbox<Job>>,
}

impl ReactorHandle {
    /// A handle for other threads.
    pub fn remote(&self) -> Remote {
        Remote {
            inbox: Arc::clone(&self.known.inbox),
        }
    }
}

impl Remote {
    /// Has `job` called in the loop's thread, in its next turn, with the loop's
    /// handle. Jobs from one thread are called in the order they were given in.
    ///
    /// If the loop sleeps, it is woken. A panic in the job is contained.
    ///
    /// # Errors
    ///
    /// [`ReactorGone`] if the reactor was dropped; the job is dropped here.
    pub fn call_from_thread(
        &self,
        job: impl FnOnce(&ReactorHandle) + Send + 'static,
    ) -> Result<(), ReactorGone> {
        self.inbox
            .post(Box::new(move |core| job(&ReactorHandle::new(core))))
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").finish_non_exhaustive()
    }
}
