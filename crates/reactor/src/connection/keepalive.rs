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
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Protocol, Raw, Reactor};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// # let reactor = Reactor::new()?;
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let stream = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// # let connection = reactor.adopt_stream(stream, Quiet)?;
    /// use reactor::KeepAlive;
    /// use std::time::Duration;
    ///
    /// connection.set_keepalive(KeepAlive::after(Duration::from_secs(60)))?;
    /// assert!(connection.keepalive()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn after(idle: Duration) -> Self {
        Self {
            options: TcpKeepalive::new().with_time(idle),
        }
    }

    /// How long it waits for an answer before it asks again.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Protocol, Raw, Reactor};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// # let reactor = Reactor::new()?;
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let stream = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// # let connection = reactor.adopt_stream(stream, Quiet)?;
    /// use reactor::KeepAlive;
    /// use std::time::Duration;
    ///
    /// let second = Duration::from_secs(1);
    /// // The first question after a minute, the next ones ten seconds apart.
    /// connection.set_keepalive(KeepAlive::after(60 * second).interval(10 * second))?;
    /// assert!(connection.keepalive()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "it gives the changed settings back"]
    pub fn interval(self, interval: Duration) -> Self {
        Self {
            options: self.options.with_interval(interval),
        }
    }

    /// How often it asks before it gives the connection up.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Protocol, Raw, Reactor};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// # let reactor = Reactor::new()?;
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let stream = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// # let connection = reactor.adopt_stream(stream, Quiet)?;
    /// use reactor::KeepAlive;
    /// use std::time::Duration;
    ///
    /// let second = Duration::from_secs(1);
    /// // A peer that has not answered after 10 + 3 * 1 seconds is lost.
    /// connection.set_keepalive(KeepAlive::after(10 * second).interval(second).retries(3))?;
    /// assert!(connection.keepalive()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
