//! Pseudoterminals: what a person's terminal is to a program, and two ends here.
//!
//! A program gets one as its controlling terminal between `fork` and `exec`, when it leads a
//! session of its own: only code that runs there can do it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::termios::Winsize;

pub(crate) use by_system::lead_session;

/// The end-of-file character (Ctrl-D) of a terminal whose own cannot be found out.
const CTRL_D: u8 = 4;

/// Rows and columns of a terminal, as the system takes them.
fn winsize((rows, columns): (u16, u16)) -> Winsize {
    Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

/// Both ends of a pseudoterminal.
pub(crate) struct Pty {
    /// The side of the person: reads the screen, and writes the keys. Does not block.
    pub(crate) controller: OwnedFd,
    /// The side of the program, which has it as its terminal.
    pub(crate) terminal: OwnedFd,
}

impl Pty {
    /// Makes one of that size.
    pub(crate) fn open(size: (u16, u16)) -> io::Result<Self> {
        by_system::open(size)
    }
}

/// Sets the size of the terminal; the programs in its foreground get a `SIGWINCH`.
pub(crate) fn set_size(controller: impl AsFd, size: (u16, u16)) -> io::Result<()> {
    Ok(rustix::termios::tcsetwinsize(controller, winsize(size))?)
}

/// The character that ends the input of a program that reads from the terminal.
pub(crate) fn end_of_file(controller: impl AsFd) -> u8 {
    use rustix::termios::{SpecialCodeIndex, tcgetattr};

    match tcgetattr(controller) {
        Ok(settings) => settings.special_codes[SpecialCodeIndex::VEOF],
        Err(_) => CTRL_D,
    }
}

#[cfg(any(
    target_os = "linux",
    target_os = "android",
    target_vendor = "apple",
    target_os = "freebsd"
))]
#[expect(unsafe_code, reason = "code is run between `fork` and `exec`")]
mod by_system {
    use std::os::fd::BorrowedFd;
    use std::os::unix::process::CommandExt;
    use std::process;

    use rustix::fs::{Mode, OFlags};
    use rustix::process::Signal;
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    use super::{Pty, io, winsize};

    /// What a terminal sends to its programs. (Not `SIGWINCH`, which they may ignore by default.)
    const SIGNALS: [Signal; 6] = [
        Signal::HUP,
        Signal::INT,
        Signal::QUIT,
        Signal::TSTP,
        Signal::TTIN,
        Signal::TTOU,
    ];

    pub(super) fn open(size: (u16, u16)) -> io::Result<Pty> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
        #[cfg(not(target_vendor = "apple"))]
        let controller = openpt(flags | OpenptFlags::CLOEXEC)?;
        #[cfg(target_vendor = "apple")]
        // `posix_openpt` of macOS has no `O_CLOEXEC`: a fork of another thread in between inherits
        // it.
        let controller = {
            let controller = openpt(flags)?;
            rustix::io::fcntl_setfd(&controller, rustix::io::FdFlags::CLOEXEC)?;
            controller
        };
        // Both before the terminal is opened, as POSIX requires.
        grantpt(&controller)?;
        unlockpt(&controller)?;
        let name = ptsname(&controller, Vec::new())?;
        // `NOCTTY`, or it would become the controlling terminal of this process, if that leads a
        // session without one.
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let terminal = rustix::fs::open(name, flags, Mode::empty())?;
        rustix::termios::tcsetwinsize(&terminal, winsize(size))?;
        // The two sides have an open file description each, so the child's stays blocking.
        rustix::io::ioctl_fionbio(&controller, true)?;
        Ok(Pty {
            controller,
            terminal,
        })
    }

    /// Has `command` lead a session whose controlling terminal is its standard input.
    /// The signals of the terminal have their default actions in it.
    pub(crate) fn lead_session(command: &mut process::Command) {
        unsafe extern "C" {
            /// signal(2) of the system's library; a handler of 0 is the default action.
            fn signal(number: i32, handler: usize) -> usize;
        }

        let lead = || {
            // Only the leader of a session without a terminal can take one (`TIOCSCTTY` below).
            rustix::process::setsid()?;
            // A program that was started by `nohup` ignores SIGHUP, and its children inherit that.
            for by_terminal in SIGNALS {
                // SAFETY: signal(2) may be called between `fork` and `exec`; the default action calls
                // no code of this process.
                unsafe { signal(by_terminal.as_raw(), 0) };
            }
            // SAFETY: the standard descriptors are in their places before this runs, and stay
            // open until `exec`.
            let stdin = unsafe { BorrowedFd::borrow_raw(0) };
            rustix::process::ioctl_tiocsctty(stdin)?;
            Ok(())
        };
        // SAFETY: the closure makes system calls only. It takes no lock, allocates nothing and cannot
        // panic, so it may run between `fork` and `exec` of a process with several threads.
        unsafe {
            command.pre_exec(lead);
        }
    }
}

/// Systems for which `rustix` names no terminals, or where they need modules of their own.
#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_vendor = "apple",
    target_os = "freebsd"
)))]
mod by_system {
    use std::process;

    use super::{Pty, io};

    pub(super) fn open(_size: (u16, u16)) -> io::Result<Pty> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "no pseudoterminals on this system",
        ))
    }

    /// Never called: there is no [`Pty`] to run a program in.
    pub(crate) fn lead_session(_command: &mut process::Command) {}
}
