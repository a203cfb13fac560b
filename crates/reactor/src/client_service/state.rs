//! States of a client service.

use deferred::{DeferredHandle, DelayedCall, Failure};

use crate::connection::{Connection, Protocol};

/// State of a [`ClientService`](super::ClientService).
///
/// ```text
///             start             opened               prepared
///   Stopped ────────▶ Connecting ────────▶ Preparing ────────▶ Connected
///      ▲                ▲    │ failed          │ vetoed, lost      │ lost
///      │          timer │    ▼                 ▼                   ▼
///      │                └─ Waiting ◀───────────┴───────────────────┘
///      └── Disconnecting ◀── stop, in each of the others
/// ```
///
/// # Examples
///
/// ```
/// # use reactor::{Protocol, Raw, testing::TestReactor};
/// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
/// use reactor::{ClientService, ClientServiceState};
///
/// let reactor = TestReactor::new();
/// let service = ClientService::builder("192.0.2.1:80", || Quiet).start(&reactor);
/// assert_eq!(service.state(), ClientServiceState::Connecting);
/// reactor.settle();
/// // There is no server.
/// assert_eq!(service.state(), ClientServiceState::Waiting);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientServiceState {
    /// The service was not started, or was stopped.
    Stopped,
    /// An attempt to connect is under way.
    Connecting,
    /// There is a connection, and the prepare step has not finished; or it has failed, and the
    /// connection is closing.
    Preparing,
    /// There is a connection.
    Connected,
    /// The next attempt begins after a delay.
    Waiting,
    /// The service was stopped; its attempt or its connection has not ended yet.
    Disconnecting,
}

/// State of a service, with its data; [`ClientServiceState`] is its name.
///
/// INVARIANT: at most one attempt, connection or timer exists at any time, and it is the one of
/// the state: a state is left only by its end, or for `Disconnecting`, which waits for that end.
///
/// `None` in a state says that the user's function to which the state belongs is running. That
/// function may call `stop` and `start`; their consequences follow when it has returned, so that
/// the functions of one service never run inside one another.
pub(super) enum State<P: Protocol> {
    /// Entered first, and from `Disconnecting`. Left by `start`.
    Stopped,
    /// Entered by `start` and when the timer of `Waiting` fires. `None` while `dial` runs.
    Connecting(Option<DeferredHandle>),
    /// Entered when the connection is made. `None` while the prepare step's function runs.
    Preparing(Connection<P>, Option<DeferredHandle>),
    /// The prepare step has failed with this failure. Left when the connection is over.
    Vetoed(Failure),
    /// Entered when the prepare step has succeeded. Left when the connection is over.
    Connected(Connection<P>),
    /// Entered when an attempt has failed, or a connection was lost. `None` while the retry
    /// policy runs.
    Waiting(Option<DelayedCall>),
    /// Entered by `stop`. Left when the attempt or connection of that time has ended: for
    /// `Connecting` if `start` was called since, else for `Stopped`.
    Disconnecting { starts_again: bool },
}

impl<P: Protocol> State<P> {
    pub(super) fn name(&self) -> ClientServiceState {
        match self {
            Self::Stopped => ClientServiceState::Stopped,
            Self::Connecting(_) => ClientServiceState::Connecting,
            Self::Preparing(..) | Self::Vetoed(_) => ClientServiceState::Preparing,
            Self::Connected(_) => ClientServiceState::Connected,
            Self::Waiting(_) => ClientServiceState::Waiting,
            Self::Disconnecting { .. } => ClientServiceState::Disconnecting,
        }
    }

    /// In `Disconnecting`: whether the service starts again afterwards.
    pub(super) fn starts_again(&self) -> Option<bool> {
        match self {
            Self::Disconnecting { starts_again } => Some(*starts_again),
            _ => None,
        }
    }
}
