//! The chain under every Deferred: typed at its two ends, without types between them.
//!
//! ```text
//!   Sender<T> ──fire──▶ Core: slot ◀──▶ stages ──▶ Receiver<U>
//!                         ▲    │ waiter
//!             Control ────┘    ▼
//!                             the Core of a chain that waits for this one
//! ```
//!
//! From the bottom to the top, and each imports from below only: `address_map`, `phase` (what
//! a chain is doing), `raw` (how stages and values are kept without their types), `poller`, `task`
//! (async tasks that await chains), `work_queue`, `flavour` (one thread or several),
//! `wait_graph` and `wait` (how chains wait for one another), `link`, `run` (the loop),
//! `trampoline` (drops and hand-overs in turn), `cancel`, `control`, `receiver` and `sender`
//! (what the public types are made of), `debug`, and the flavours `local` and `shared`.

mod address_map;
mod cancel;
mod control;
mod debug;
mod flavour;
mod link;
mod local;
mod phase;
mod poller;
mod raw;
mod receiver;
mod run;
mod sender;
#[cfg(feature = "sync")]
mod shared;
mod task;
mod trampoline;
mod variance;
mod wait;
mod wait_graph;
mod work_queue;

pub(crate) use self::address_map::AddressMap;
pub(crate) use self::cancel::{delegate, keep_from_waited};
pub(crate) use self::control::{Control, PauseToken, cancel_core, fail_core, made_at};
pub(crate) use self::flavour::Flavour;
pub(crate) use self::phase::ReceiverState;
pub(crate) use self::poller::Poller;
#[cfg(feature = "sync")]
pub(crate) use self::raw::Shared;
pub(crate) use self::raw::{
    Canceller, CoreRef, CoreWeak, Fits, Group, Local, LocalCell, OwnedRunGuard, Pinned, Slot,
    Storage,
};
pub(crate) use self::receiver::Receiver;
pub(crate) use self::run::{Skips, Stage, Step, run_owned as run_chain};
pub(crate) use self::sender::Sender;
pub(crate) use self::task::{Awaited, Awaits, SharedTask, Task, WeakTask, address, count_pollers};
#[cfg(feature = "sync")]
pub(crate) use self::trampoline::run_pending;
pub(crate) use self::trampoline::{hand_over, run_all_pending};
pub(crate) use self::variance::Invariant;
pub(crate) use self::wait_graph::{closes_a_cycle, set_poller, task_sleeps, task_waits};
