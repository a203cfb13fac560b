//! Child processes.
//!
//! ```text
//!   loop ──ready──▶ pipe ───bytes───┐
//!   loop ──ready──▶ exit ──status──▶ source ──▶ protocol
//!                                    │  ▲          │ through its context
//!                   pipe ◀──buffer───┘  └── jobs ◀─┘
//! ```
//!
//! `source` is one child and its protocol. Each of its pipes is a separate event source, and so is
//! the descriptor that becomes ready when the child exits. A child has *ended* when it has exited
//! and all its pipes are closed.

mod child_fd;
mod command;
mod context;
mod error;
mod exit;
mod handle;
mod output;
mod owner;
mod pipe;
mod protocol;
mod source;
mod spawning;
mod window_size;

pub use self::child_fd::ChildFd;
pub use self::command::Command;
pub use self::context::ProcessContext;
pub use self::error::{OutputTooLong, ProcessEnded, ProcessError, SpawnError, StatusUnknown};
pub use self::handle::Process;
pub use self::protocol::ProcessProtocol;
pub use self::window_size::WindowSize;
