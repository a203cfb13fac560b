//! Interface to the operating system: the items that a port to another system has to provide.
//!
//! All supported systems are UNIX systems, and share these files; where one of them differs, there
//! is a `cfg` in the file. A port to another kind of system implements the same items in further
//! files. In other modules, it changes only the public items that name a descriptor.
//!
//! | file | items that a port exports | purpose |
//! |---|---|---|
//! | `fork` | `HomeProcess::{current, is_current}` | test whether a value was made in this process; constant where there is no `fork` |
//! | `socket` | `listening`, `connecting`, `accept`, `adopted`, `is_about_one`, `is_exhaustion` ... | sockets that are non-blocking and not inherited |
//! | `stream` | `receive`, `send` | a read and a write that never block |
//! | `rights` | `receive`, `send`, `MOST` | receive and send descriptors with the bytes; may fail with `Unsupported` |
//! | `inherited` | `duplicate` | duplicate a descriptor that is known by its number, as a supervisor passes it |
//! | `peer_credentials` | `of` | user, group and process of a UNIX peer; absent outside Linux |
//! | `shared_fd` | `SharedFd::{new, into_parts}`, `Access::{read, write}` | use descriptors that other processes may share, such as standard output, without blocking and without changing their settings |
//! | `multicast` | `join_v4`, `leave_v4`, `Selector` | membership in multicast groups |
//! | `socket_file` | `SocketFile::bind` | the file of a UNIX socket, and its lock file |
//! | `child` | `watch`, `wait_for_exit`, `signal`, `signal_by_descriptor` | detect the exit of a child process, and signal it |
//! | `signals` | `StopSignals::{enter, install, received}` | SIGINT and SIGTERM as bytes to read; the second ends the process |
//! | `pty` | `Pty::open`, `lead_session`, `set_size`, `end_of_file` | a pseudo-terminal for a child process; may fail with `Unsupported` |
//!
//! One more part depends on the system, and is in another module, because it registers descriptors:
//!
//! - `poll`: `Poll::{wait, register, ends_by, end_at, waker}`. `poll/portable.rs` needs only
//!   `polling` in level mode, which exists on Windows, too; `epoll`, `own` and `timer` are the
//!   faster way on Linux (`eventfd`, `timerfd`, one `epoll_wait` in each turn).

pub(crate) mod child;
mod fork;
mod inherited;
pub(crate) mod multicast;
#[cfg(target_os = "linux")]
pub(crate) mod peer_credentials;
pub(crate) mod pty;
pub(crate) mod rights;
pub(crate) mod shared_fd;
mod signals;
pub(crate) mod socket;
mod socket_file;
pub(crate) mod stream;

pub(crate) use self::fork::HomeProcess;
pub(crate) use self::inherited::duplicate;
pub(crate) use self::signals::StopSignals;
pub(crate) use self::socket_file::SocketFile;
