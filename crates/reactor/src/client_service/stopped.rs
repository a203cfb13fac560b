//! `ServiceStopped`: the error of a wait for a service that is stopped.

use std::error::Error;
use std::fmt;

/// A [`ClientService`](super::ClientService) was stopped before it had a connection.
///
/// # Examples
///
/// ```
/// # use reactor::{Protocol, Raw, testing::TestReactor};
/// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
/// use reactor::{ClientService, ServiceStopped};
///
/// let reactor = TestReactor::new();
/// let service = ClientService::builder("192.0.2.1:80", || Quiet).start(&reactor);
/// let connected = service.when_connected();
/// service.stop().ignore();
/// assert!(connected.into_result().unwrap().unwrap_err().is::<ServiceStopped>());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceStopped;

impl fmt::Display for ServiceStopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the client service is stopped")
    }
}

impl Error for ServiceStopped {}
