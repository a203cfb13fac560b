//! `KeepAlive`: asking whether the peer of a silent connection is still there.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

/// When the system asks the peer of a connection on which nothing happens whether
/// it is still there. If it does not answer, the connection is lost.
///
/// # Examples
///
/// ```
/// use reactor::KeepAlive;
/// use std::time::Duration;
///
/// let patient = KeepAlive::after(Duration::from_secs(600))
///     .interval(Duration::from_secs(60))
///     .retries(5);
/// # drop(patient);
/// ```
#[derive(Clone, Debug)]
pub struct KeepAlive {
    options: TcpKeepalive,
}

impl KeepAlive {
    /// Asks when nothing has happened for so long.
    pub fn after(idle: Duration) -> Self {
        Self {
            options: TcpKeepalive::new().with_time(idle),
        }
    }

    /// How long it waits for an answer before it asks again.
    #[must_use = "it gives the changed settings back"]
    pub fn interval(self, interval: Duration) -> Self {
        Self {
            options: self.options.with_interval(interval),
        }
    }

    /// How often it asks before it gives the connection up.
    #[must_use = "it gives the changed settings back"]
    pub fn retries(self, retries: u32) -> Self {
        Self {
            options: self.options.with_retries(retries),
        }
    }

    pub(super) fn set(&self, socket: &SockRef<'_>) -> io::Result<()> {
        socket.set_tcp_keepalive(&self.options)
    }
}
