//! Limits of a datagram port: the options that UDP and UNIX ports have in common.

/// Upper bound of `max_packet_size`. The read buffer of the loop is larger than this, so that a
/// longer datagram can be told from one that fits.
const MAX_PACKET_SIZE: usize = 65_535;

#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) max_packet_size: usize,
    pub(super) max_queued: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // The default of Twisted's `listenUDP`.
            max_packet_size: 8192,
            max_queued: 128,
        }
    }
}

impl Limits {
    pub(super) fn set_max_packet_size(&mut self, bytes: usize) {
        self.max_packet_size = bytes.min(MAX_PACKET_SIZE);
    }
}

/// Implements the methods that set the limits, for an options type with a field `limits`.
macro_rules! limit_methods {
    ($options:ty) => {
        impl $options {
            /// The longest datagram that the port receives, in bytes: 8192 by default, at most
            /// 65,535. A longer one is dropped, and the protocol gets
            /// [`DatagramError::TooLong`](crate::DatagramError::TooLong) for it.
            #[doc(alias = "maxPacketSize")]
            pub fn max_packet_size(mut self, bytes: usize) -> Self {
                self.limits.set_max_packet_size(bytes);
                self
            }

            /// Most datagrams that are queued while the system has no room: 128 by default. A
            /// further datagram is refused with
            /// [`DatagramError::QueueFull`](crate::DatagramError::QueueFull), and counted.
            pub fn max_queued(mut self, datagrams: usize) -> Self {
                self.limits.max_queued = datagrams;
                self
            }
        }
    };
}

pub(super) use limit_methods;
