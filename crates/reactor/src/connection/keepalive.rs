//! `KeepAlive`: TCP keepalive, by which the system probes a silent peer.

use std::fmt;
use std::io;
use std::ops::RangeInclusive;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

/// The times that all systems allow, in seconds.
const SECONDS: RangeInclusive<u64> = 1..=32_767;
/// The numbers of probes that all systems allow.
const RETRIES: RangeInclusive<u32> = 1..=127;

/// TCP keepalive: when the system sends probes to the peer of a connection on which nothing was
/// received. If the peer answers none of them, the connection is lost.
///
/// Times are rounded up to whole seconds, and must be from 1 to 32,767 seconds. A value that is out
/// of range is refused when the options are set; then no option is changed.
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
    idle: Duration,
    interval: Option<Duration>,
    retries: Option<u32>,
}

impl KeepAlive {
    /// Sends the first probe when nothing was received for `idle`.
    pub fn after(idle: Duration) -> Self {
        Self {
            idle,
            interval: None,
            retries: None,
        }
    }

    /// Time between two probes.
    #[must_use = "it gives the changed settings back"]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = Some(interval);
        self
    }

    /// Number of probes without an answer after which the connection is lost: 1 to 127.
    #[must_use = "it gives the changed settings back"]
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = Some(retries);
        self
    }

    /// The options in the form that the system takes.
    fn checked(&self) -> io::Result<TcpKeepalive> {
        let mut options =
            TcpKeepalive::new().with_time(seconds("idle time in seconds", self.idle)?);
        if let Some(interval) = self.interval {
            options = options.with_interval(seconds("interval in seconds", interval)?);
        }
        if let Some(retries) = self.retries {
            if !RETRIES.contains(&retries) {
                return Err(out_of_range("number of retries", retries, RETRIES));
            }
            options = options.with_retries(retries);
        }
        Ok(options)
    }

    /// Sets all options, or none if one of them cannot be set.
    pub(super) fn set(&self, socket: &SockRef<'_>) -> io::Result<()> {
        let options = self.checked()?;
        let was_on = socket.keepalive()?;
        let before = TcpKeepalive::new()
            .with_time(socket.tcp_keepalive_time()?)
            .with_interval(socket.tcp_keepalive_interval()?)
            .with_retries(socket.tcp_keepalive_retries()?);
        // This sets several options, one after the other; any of these calls may err.
        let set = socket.set_tcp_keepalive(&options);
        if set.is_err() {
            // The first error is returned. Restoring the earlier values does not err, since they
            // were set before.
            let _ = socket.set_tcp_keepalive(&before);
            let _ = socket.set_keepalive(was_on);
        }
        set
    }
}

/// Rounds `time` up to whole seconds, and checks the range.
fn seconds(what: &str, time: Duration) -> io::Result<Duration> {
    // Rounded up, because the system counts in seconds, and a fraction of a second would become 0.
    let seconds = time
        .as_secs()
        .saturating_add(u64::from(time.subsec_nanos() > 0));
    if !SECONDS.contains(&seconds) {
        return Err(out_of_range(what, format_args!("{time:?}"), SECONDS));
    }
    Ok(Duration::from_secs(seconds))
}

fn out_of_range<T: fmt::Display>(
    what: &str,
    found: impl fmt::Display,
    allowed: RangeInclusive<T>,
) -> io::Error {
    let (least, most) = allowed.into_inner();
    let message = format!("the keep-alive's {what} is to be {least} to {most}, not {found}");
    io::Error::new(io::ErrorKind::InvalidInput, message)
}
