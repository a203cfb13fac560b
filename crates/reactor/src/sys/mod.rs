//! The seam to the operating system: what another system has to provide.
//!
//! All systems that are supported today are UNIX, and share these files; where one of them
//! differs, a `cfg` in the file says how. A port to another kind of system writes the same
//! items beside them, and changes nothing above but the public items that name a descriptor.
//!
//! | file | a port exports | as |
//! |---|---|---|
//! | `fork` | `HomeProcess::{current, is_current}` | whether this is the process that made a value; constant where there is no `fork` |
//! | `socket` | `listening`, `connecting`, `accept`, `adopted`, `is_about_one`, `is_exhaustion` ... | sockets that never wait and are never inherited |
//! | `stream` | `receive`, `send` | one read and one write that do not wait |
//! | `rights` | `receive`, `send`, `MOST` | descriptors beside the bytes; may fail with `Unsupported` |
//! | `inherited` | `duplicate` | a descriptor known by its number, as a supervisor passes it |
//! | `peer_credentials` | `of` | user, group and process of a UNIX peer; absent outside Linux |
//! | `shared_fd` | `SharedFd::{new, into_parts}`, `Access::{read, write}` | descriptors that other processes may share, such as standard output, used without waiting and left as they are |
//! | `multicast` | `join_v4`, `leave_v4`, `Selector` | membership in groups |
//! | `socket_file` | `SocketFile::bind` | the file and the lock of a UNIX socket's name |
//! | `child` | `watch`, `wait_for_exit`, `signal`, `signal_by_descriptor` | how the exit of a child is seen |
//! | `signals` | `StopSignals::{enter, install, received}` | SIGINT and SIGTERM as bytes to read; the second ends the process |
//! | `pty` | `Pty::open`, `lead_session`, `set_size`, `end_of_file` | a terminal for a child; may fail with `Unsupported` |
//!
//! One more seam is beside what it belongs to, since it registers descriptors:
//!
//! - `poll`: `Poll::{wait, register, ends_by, end_at, waker}`. `poll/portable.rs` needs only
//!   `polling` in level mode, which exists on Windows, too; `epoll`, `own` and `timer` are
//!   the faster way of Linux (`eventfd`, `timerfd`, one `epoll_wait` a turn).

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
