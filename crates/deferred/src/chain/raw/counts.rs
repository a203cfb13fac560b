//! Reference counts of a core: strong and weak, by flavour.

/// Counts the references to a core: strong ones, and weak ones, of which all the strong
/// ones have one together.
///
/// # Safety
/// The results are true of the references that were added and dropped. If several threads
/// may count, then all that they did before they dropped their references happens before the
/// return of the call that reports the last one.
pub(crate) unsafe trait Counts {
    /// Counts `strong` strong references, and the weak one of all of them.
    fn new(strong: u32) -> Self;
    fn add_strong(&self);
    fn drop_strong(&self) -> Left;
    /// Adds a strong reference, if there is one; says whether.
    fn upgrade(&self) -> bool;
    /// Whether the strong reference that asks is known to be the only one of all.
    fn is_sole(&self) -> bool;
    fn add_weak(&self);
    /// How many weak ones there are, that of all the strong ones not counted.
    fn weak(&self) -> u32;
    /// Whether the weak reference that asks is known to be the only one of all.
    fn is_last_weak(&self) -> bool;
    /// Whether it was the last one.
    fn drop_weak(&self) -> bool;
}

/// What is left when a strong reference went.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    Strong,
    /// There may be weak ones, with one of which the strong ones have held the block.
    Weak,
    /// None at all, and that weak one need not be dropped.
    None,
}

/// Ends the process: a count can overflow only if references are leaked by
/// `std::mem::forget`, and then, as for an `Rc`, there is no sound way to go on.
#[cold]
pub(super) fn too_many() -> ! {
    std::process::abort()
}
