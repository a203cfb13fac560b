//! `ChildOwner`: what the pipes of a child and its exit call. They are event sources of their own
//! and do not know the protocol's type, so that they are compiled once.

use deferred::Trigger;

/// The source of a child, without the type of its protocol.
pub(super) trait ChildOwner {
    /// Whether the protocol has asked for no more output.
    fn is_paused(&self) -> bool;

    /// Whether [`deliver`](Self::deliver) reaches the protocol: asked before each read, since
    /// what is read and not delivered is lost.
    fn takes_output(&self) -> bool;

    /// Calls the protocol with what was read from the pipe `number`, then runs its jobs.
    fn deliver(&self, number: i32, data: &[u8]);

    /// Fires triggers when nothing is borrowed: with a failure, if it has the number of a pipe
    /// that is closed.
    fn fire_soon(&self, triggers: Vec<(Trigger<()>, Option<i32>)>);

    /// A pipe is closed; `is_terminal` if it is one direction of the terminal.
    fn has_lost(&self, number: i32, is_terminal: bool);

    /// Looks whether the child has exited.
    fn check_exit(&self);

    /// Queues this, so that the loop settles it in this turn.
    fn settle_soon(&self);

    /// Does the pending work, unless a handler is running.
    fn settle_now(&self);

    /// The reactor stops: closes the pipes that are written to once all is written, and returns
    /// whether something is not.
    fn begin_to_close(&self) -> bool;

    /// The reactor stops, or goes.
    fn abandon(&self);

    /// Closes all descriptors; no handler is called.
    fn close_silently(&self);
}
