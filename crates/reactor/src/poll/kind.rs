//! `PollerKind`: the ways to wait for descriptors.

/// How a reactor waits for its descriptors. (Twisted: the choice of a reactor.)
///
/// # Examples
///
/// ```
/// use reactor::{PollerKind, Reactor};
///
/// let reactor = Reactor::with_poller(PollerKind::Portable)?;
/// # drop(reactor);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PollerKind {
    /// The fastest way on this system: on Linux, one `epoll_wait` in each turn, and a `timerfd` for
    /// delayed calls; on other systems, same as `Portable`.
    #[default]
    Native,
    /// The `polling` crate's own wait, which every system has.
    Portable,
}
