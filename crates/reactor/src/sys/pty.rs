//! Pseudo-terminals: a terminal for a child process, whose other end is in this process.
//!
//! A program gets its controlling terminal by code that runs in the child between `fork` and
//! `exec`, because the child has to lead a new session first.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::termios::Winsize;

pub(crate) use by_system::lead_session;

/// The usual end-of-file character (Ctrl-D), for a terminal whose settings cannot be read.
const CTRL_D: u8 = 4;

/// Converts rows and columns into the type of the system.
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
    /// The user's side: reads the bytes for the screen, and writes the typed bytes. Non-blocking.
    pub(crate) controller: OwnedFd,
    /// The program's side, which is its terminal.
    pub(crate) terminal: OwnedFd,
}

impl Pty {
    /// Makes a pseudo-terminal of this size.
    pub(crate) fn open(size: (u16, u16)) -> io::Result<Self> {
        by_system::open(size)
    }
}

/// Sets the size of the terminal. Its foreground programs get a `SIGWINCH`.
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

    /// The signals that a terminal sends to its programs, except `SIGWINCH`, which is ignored by
    /// default.
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
        // `posix_openpt` of macOS has no `O_CLOEXEC`, so a process that another thread forks before
        // the next call inherits the descriptor.
        let controller = {
            let controller = openpt(flags)?;
            rustix::io::fcntl_setfd(&controller, rustix::io::FdFlags::CLOEXEC)?;
            controller
        };
        // POSIX requires both calls before the terminal is opened.
        grantpt(&controller)?;
        unlockpt(&controller)?;
        let name = ptsname(&controller, Vec::new())?;
        // With `NOCTTY`, because otherwise the terminal would become the controlling terminal of
        // this process, if that leads a session without one.
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let terminal = rustix::fs::open(name, flags, Mode::empty())?;
        rustix::termios::tcsetwinsize(&terminal, winsize(size))?;
        // Each side has its own open file description, so that of the child stays blocking.
        rustix::io::ioctl_fionbio(&controller, true)?;
        Ok(Pty {
            controller,
            terminal,
        })
    }

    /// Makes `command` the leader of a new session, whose controlling terminal is its standard
    /// input. The signals of the terminal have their default actions in it.
    pub(crate) fn lead_session(command: &mut process::Command) {
        unsafe extern "C" {
            /// signal(2) of the system's library; a handler of 0 is the default action.
            fn signal(number: i32, handler: usize) -> usize;
        }

        let lead = || {
            // Only the leader of a session without a terminal can get a controlling terminal
            // (`TIOCSCTTY` below).
            rustix::process::setsid()?;
            // If this process was started by `nohup`, it ignores `SIGHUP`, and its children inherit
            // that.
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

/// For systems on which `rustix` does not support pseudo-terminals, or on which they need STREAMS
/// modules.
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

    /// Never called, because `open` returns no [`Pty`].
    pub(crate) fn lead_session(_command: &mut process::Command) {}
}
