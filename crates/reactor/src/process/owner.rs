//! `ChildOwner`: the interface of a child for its pipes and its exit. These are event sources
//! without the type of the protocol, so that they are compiled once.

use deferred::Trigger;

/// The source of a child, without the type of its protocol.
pub(super) trait ChildOwner {
    /// Whether reading is paused.
    fn is_paused(&self) -> bool;

    /// Whether [`deliver`](Self::deliver) reaches the protocol. Tested before each read, because
    /// bytes that are read and not delivered would be lost.
    fn takes_output(&self) -> bool;

    /// Calls the protocol with bytes that were read from the pipe `number`, then runs its jobs.
    fn deliver(&self, number: i32, data: &[u8]);

    /// Fires triggers later, when nothing is borrowed. Each fires with a failure if it comes with a
    /// number, which is that of a closed pipe.
    fn fire_soon(&self, triggers: Vec<(Trigger<()>, Option<i32>)>);

    /// Called when a pipe is closed. `is_terminal` is set if that is one direction of the terminal.
    fn has_lost(&self, number: i32, is_terminal: bool);

    /// Checks whether the child has exited.
    fn check_exit(&self);

    /// Puts the child into the run queue, so that the loop settles it in this turn.
    fn settle_soon(&self);

    /// Does the pending work, unless a handler is running.
    fn settle_now(&self);

    /// Called when the reactor stops: closes the pipes that the parent writes as soon as their
    /// bytes are written. Returns whether unwritten bytes are left.
    fn begin_to_close(&self) -> bool;

    /// Called when the reactor has stopped or is dropped: gives up the child.
    fn abandon(&self);

    /// Closes all descriptors; no handler is called.
    fn close_silently(&self);
}
