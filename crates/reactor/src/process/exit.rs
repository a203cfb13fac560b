//! Exit of a child process: detected by a pidfd or a thread, and reaped, so that no zombie stays.
//!
//! On Linux, a pidfd becomes readable when the child exits. On other systems, and on Linux without
//! pidfds, a thread waits for each child. The loop, not that thread, takes the status, so that the
//! child keeps its process ID until then.
//!
//! If `SIGCHLD` is ignored, which a process inherits, the system discards the status itself. Then
//! the process ID of a child that has exited is free at once, and another process may get it. So a
//! child that is not found has exited, with an unknown status. A signal is sent through the pidfd,
//! which cannot name another process; without a pidfd, it is sent only after a check that the ID is
//! still that of the child.

use std::cell::RefCell;
use std::io;
use std::process::{self, ExitStatus};
use std::rc::Rc;
use std::thread;

use rustix::io::Errno;
use rustix::process::{Pid, Signal};

use super::owner::ChildOwner;
use crate::core::Core;
use crate::poll::{Interest, Key, Ready, Registration};
use crate::registry::EventSource;
use crate::reply_channel::ReplySender;
use crate::sys::HomeProcess;
use crate::sys::child::{self, ChildWatch};

/// The status of a child that has exited; `None` if it is unknown, because the system, or another
/// part of this program, has taken it.
pub(super) type Status = Option<ExitStatus>;

/// A child that is not reaped yet. If this is dropped before the child has exited, a thread
/// reaps it later.
pub(super) struct ChildHandle {
    child: Option<process::Child>,
    pid: u32,
    /// The parent of the child, the only process that can wait for it.
    parent: HomeProcess,
}

impl ChildHandle {
    pub(super) fn new(child: process::Child) -> Self {
        Self {
            pid: child.id(),
            parent: HomeProcess::current(),
            child: Some(child),
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// The child's process ID; `None` once the exit is known, because the system may reuse the ID
    /// then.
    pub(super) fn system_pid(&self) -> Option<Pid> {
        self.child.as_ref()?;
        // The system has signed process IDs; std has only changed the type.
        Pid::from_raw(self.pid.cast_signed())
    }

    /// Reaps the child and returns its status, if it has exited. Returns the status only once.
    pub(super) fn try_wait(&mut self) -> Option<Status> {
        match self.child.as_mut()?.try_wait() {
            Ok(status) => {
                let status = status?;
                // The child is reaped. From here on, another process may have its ID, so no more
                // signals are sent.
                self.child = None;
                Some(Some(status))
            }
            Err(error) => {
                tracing::warn!(
                    target: "reactor",
                    pid = self.pid,
                    %error,
                    "the status of a child is unknown: SIGCHLD is ignored, or it was waited for elsewhere"
                );
                // There is no child left to wait for, and another process may have its ID.
                self.child = None;
                Some(None)
            }
        }
    }

    /// Sends a signal by process ID, which belongs to the child until it is reaped. Returns whether
    /// the signal was sent.
    pub(super) fn signal(&self, signal: Signal) -> Result<bool, Errno> {
        let Some(pid) = self.system_pid() else {
            return Ok(false);
        };
        child::signal(pid, signal)
    }

    /// Stops watching the child: if it has not exited, a thread reaps it when it does.
    pub(super) fn let_go(&mut self) {
        // In a forked process, nothing is to be done: only the parent can wait for the child.
        if !self.parent.is_current() {
            self.child = None;
            return;
        }
        if self.try_wait().is_some() {
            return;
        }
        // std's `Child` does not wait when it is dropped.
        if let Some(mut child) = self.child.take() {
            let reaper = thread::Builder::new().name("process-reaper".to_owned());
            // If no thread can be started, the child stays a zombie until this process exits.
            let _ = reaper.spawn(move || child.wait());
        }
    }
}

impl Drop for ChildHandle {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// Event source that becomes ready when the child exits.
pub(super) struct Exit {
    owner: Rc<dyn ChildOwner>,
    core: Rc<Core>,
    key: Key,
    /// `None` once the exit was reported.
    registration: RefCell<Option<Registration>>,
}

/// How the exit of a child is detected.
pub(super) enum Watched {
    /// By a pidfd, which becomes readable at the exit.
    Descriptor(Rc<Exit>),
    /// By a thread, which calls `check_exit`.
    Thread,
    /// The child has exited, and its process ID is free.
    Exited,
}

/// Makes the loop call `check_exit` of `owner` when its child has exited.
pub(super) fn watch(owner: &Rc<dyn ChildOwner>, core: &Rc<Core>, pid: Pid) -> io::Result<Watched> {
    let descriptor = match child::watch(pid)? {
        ChildWatch::Descriptor(descriptor) => descriptor,
        ChildWatch::Exited => return Ok(Watched::Exited),
        ChildWatch::Unsupported => {
            watch_in_thread(owner, core, pid)?;
            return Ok(Watched::Thread);
        }
    };
    let registration = core.register(descriptor, Interest::READABLE)?;
    let exit = Rc::new(Exit {
        owner: Rc::clone(owner),
        core: Rc::clone(core),
        key: registration.key(),
        registration: RefCell::new(Some(registration)),
    });
    core.insert(Rc::<Exit>::clone(&exit));
    Ok(Watched::Descriptor(exit))
}

fn watch_in_thread(owner: &Rc<dyn ChildOwner>, core: &Rc<Core>, pid: Pid) -> io::Result<()> {
    // The callback keeps the owner alive, as a registered `Exit` would, because a child is watched
    // until it exits, even if the program has dropped all handles.
    let (reply, exited) = ReplySender::pair(core, || ());
    let owner = Rc::clone(owner);
    exited
        .add_both(move |exited| match exited {
            Ok(()) => owner.check_exit(),
            Err(_gone) => owner.abandon(),
        })
        .detach();
    // A new thread and not one of the pool, because it waits as long as the child runs. It only
    // waits, and leaves the status to the loop.
    thread::Builder::new()
        .name("process-waiter".to_owned())
        .spawn(move || {
            child::wait_for_exit(pid);
            reply.send(());
        })?;
    Ok(())
}

impl Exit {
    /// Sends a signal through the pidfd, so that it cannot reach another process. Returns whether
    /// the signal was sent, or `None` once the pidfd is closed.
    pub(super) fn signal(&self, signal: Signal) -> Option<Result<bool, Errno>> {
        let registration = self.registration.borrow();
        child::signal_by_descriptor(registration.as_ref()?, signal)
    }

    pub(super) fn close(&self) {
        // Removed first, so that an event which the poller has returned already finds no source.
        drop(self.core.registry.remove(self.key));
        drop(self.registration.take());
        self.core.is_over(self.key);
    }
}

impl EventSource for Exit {
    fn ready(self: Rc<Self>, _ready: Ready) {
        self.owner.check_exit();
    }

    fn begin_to_close(self: Rc<Self>) -> bool {
        self.owner.begin_to_close()
    }

    fn shut_down(self: Rc<Self>) {
        self.owner.abandon();
    }

    fn close_in_child(self: Rc<Self>) {
        self.owner.close_silently();
    }
}
