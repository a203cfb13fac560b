//! Reference counts of a core: strong and weak, by flavour.

/// Counts the strong and weak references to a core. As in `Rc`, all strong references together
/// hold one weak reference, which keeps the memory of the core.
///
/// # Safety
/// The results are those of exact counts. If several threads may count, then everything that they
/// did before they dropped their references happens before the return of the call that reports
/// the last one.
pub(crate) unsafe trait Counts {
    /// Starts with `strong` strong references, and the weak one that they hold together.
    fn new(strong: u32) -> Self;
    fn add_strong(&self);
    fn drop_strong(&self) -> Left;
    /// Adds a strong reference and returns true, if there is at least one already.
    fn upgrade(&self) -> bool;
    /// Whether the caller's strong reference is the only reference. May return false if it is.
    fn is_sole(&self) -> bool;
    fn add_weak(&self);
    /// Number of weak references, without the one that the strong ones hold together.
    fn weak(&self) -> u32;
    /// Whether the caller's weak reference is the only reference. May return false if it is.
    fn is_last_weak(&self) -> bool;
    /// Drops a weak reference; returns whether it was the last one.
    fn drop_weak(&self) -> bool;
}

/// References that are left after the drop of a strong one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// At least one strong reference.
    Strong,
    /// No strong reference. The caller has to drop the weak one that they held together.
    Weak,
    /// No reference at all, and the caller need not drop that weak one.
    None,
}

/// Ends the process: a count can overflow only if references are leaked by
/// `std::mem::forget`, and then, as for an `Rc`, there is no sound way to go on.
#[cold]
pub(super) fn too_many() -> ! {
    std::process::abort()
}
