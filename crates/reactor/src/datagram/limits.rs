//! Limits of a datagram port, which the options of both families have.

/// The largest datagram that a port can be set to take: a read of the loop's buffer has to
/// tell a longer one from one that fits.
const MAX_PACKET_SIZE: usize = 65_535;

#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) max_packet_size: usize,
    pub(super) max_queued: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // As Twisted's `listenUDP` has.
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

/// Gives options with a field `limits` the methods that set them.
macro_rules! limit_methods {
    ($options:ty) => {
        impl $options {
            /// The longest datagram that may come in, in bytes: 8192 unless this is called,
            /// 65,535 at the most. A longer one is dropped, and the protocol gets
            /// [`DatagramError::TooLong`](crate::DatagramError::TooLong) for it.
            #[doc(alias = "maxPacketSize")]
            pub fn max_packet_size(mut self, bytes: usize) -> Self {
                self.limits.set_max_packet_size(bytes);
                self
            }

            /// How many datagrams may wait to be sent while the system has no room: 128 unless
            /// this is called. A datagram beyond that is refused with
            /// [`DatagramError::QueueFull`](crate::DatagramError::QueueFull), and counted.
            pub fn max_queued(mut self, datagrams: usize) -> Self {
                self.limits.max_queued = datagrams;
                self
            }
        }
    };
}

pub(super) use limit_methods;
