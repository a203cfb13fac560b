//! When a child exits: hearing of it, and leaving no zombie.
//!
//! On Linux, a descriptor of the child becomes readable then. Elsewhere, and where the
//! system does not know such descriptors, a thread waits for each child, and leaves it to
//! the loop to take its status: so its number stays its own until then.

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{self, ExitStatus};
use std::rc::Rc;
use std::thread;

use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions};

use super::protocol::ProcessProtocol;
use super::source::ProcessSource;
use crate::core::Core;
use crate::poll::{Interest, Key, Ready, Registration};
use crate::registry::Source;
use crate::reply::Reply;

/// What a child is said to have exited with if somebody else has waited for it.
const UNKNOWN_STATUS: i32 = 255 << 8;

/// A child that is waited for. If this is dropped before it has exited, it is let go.
pub(super) struct Waited {
    child: Option<process::Child>,
    pid: u32,
}

impl Waited {
    pub(super) fn new(child: process::Child) -> Self {
        Self {
            pid: child.id(),
            child: Some(child),
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// That of the system, as long as nobody else has it.
    pub(super) fn system_pid(&self) -> Option<Pid> {
        self.child.as_ref()?;
        Pid::from_raw(self.pid.cast_signed())
    }

    /// Its status, once, if it has exited.
    pub(super) fn try_wait(&mut self) -> Option<ExitStatus> {
        let status = match self.child.as_mut()?.try_wait() {
            Ok(status) => status?,
            Err(error) => {
                tracing::warn!(
                    target: "reactor",
                    pid = self.pid,
                    %error,
                    "somebody else has waited for a child"
                );
                ExitStatus::from_raw(UNKNOWN_STATUS)
            }
        };
        self.child = None;
        Some(status)
    }

    /// Leaves the child to itself: if it has not exited, a thread waits for it.
    pub(super) fn let_go(&mut self) {
        if self.try_wait().is_some() {
            return;
        }
        if let Some(mut child) = self.child.take() {
            let reaper = thread::Builder::new().name("process-reaper".to_owned());
            // Without a thread, it is a zombie when it exits, until this process does.
            let _ = reaper.spawn(move || child.wait());
        }
    }
}

impl Drop for Waited {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// What tells a process that its child has exited.
pub(super) struct Exit<P: ProcessProtocol> {
    process: Rc<ProcessSource<P>>,
    core: Rc<Core>,
    key: Key,
    /// `None` once it has told.
    registration: RefCell<Option<Registration>>,
}

/// Sees to it that `process` is told.
pub(super) fn watch<P: ProcessProtocol>(
    process: &Rc<ProcessSource<P>>,
    core: &Rc<Core>,
    pid: Pid,
) -> io::Result<Option<Rc<Exit<P>>>> {
    let Some(descriptor) = descriptor_of(pid)? else {
        watch_in_thread(process, core, pid)?;
        return Ok(None);
    };
    let registration = core.register(descriptor, Interest::READABLE)?;
    let exit = Rc::new(Exit {
        process: Rc::clone(process),
        core: Rc::clone(core),
        key: registration.key(),
        registration: RefCell::new(Some(registration)),
    });
    core.insert(Rc::<Exit<P>>::clone(&exit));
    Ok(Some(exit))
}

/// A descriptor that becomes readable when the child exits; `None` if the system knows
/// none.
#[cfg(all(target_os = "linux", not(polling_test_poll_backend)))]
fn descriptor_of(pid: Pid) -> io::Result<Option<OwnedFd>> {
    use rustix::process::{PidfdFlags, pidfd_open};

    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(descriptor) => Ok(Some(descriptor)),
        // An old system, or one that is told to pretend so.
        Err(Errno::NOSYS | Errno::PERM | Errno::INVAL) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(all(target_os = "linux", not(polling_test_poll_backend))))]
#[expect(
    clippy::unnecessary_wraps,
    reason = "the other way of hearing of it can fail here"
)]
fn descriptor_of(_pid: Pid) -> io::Result<Option<OwnedFd>> {
    Ok(None)
}

fn watch_in_thread<P: ProcessProtocol>(
    process: &Rc<ProcessSource<P>>,
    core: &Rc<Core>,
    pid: Pid,
) -> io::Result<()> {
    let (reply, exited) = Reply::pair(core, || ());
    let process = Rc::clone(process);
    exited
        .add_both(move |exited| match exited {
            Ok(()) => process.check_exit(),
            Err(_gone) => process.abandon(),
        })
        .detach();
    thread::Builder::new()
        .name("process-waiter".to_owned())
        .spawn(move || {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while let Err(Errno::INTR) = rustix::process::waitid(WaitId::Pid(pid), options) {}
            reply.send(());
        })?;
    Ok(())
}

impl<P: ProcessProtocol> Exit<P> {
    pub(super) fn close(&self) {
        drop(self.core.registry.remove(self.key));
        drop(self.registration.take());
    }
}

impl<P: ProcessProtocol> Source for Exit<P> {
    fn ready(self: Rc<Self>, _ready: Ready) {
        self.process.check_exit();
    }

    fn shut_down(self: Rc<Self>) {
        self.process.abandon();
    }
}
