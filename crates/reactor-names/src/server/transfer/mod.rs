//! Zone transfers and NOTIFY: copies of a zone on other servers.

use hickory_proto::rr::SerialNumber;

mod error;
mod notify;
mod receive;
mod secondary;
mod send;

pub use self::error::TransferError;
pub use self::notify::notify;
pub use self::receive::transfer_zone;
pub use self::secondary::Secondary;
pub(super) use self::send::Transfer;

/// Whether a serial is newer than another, in the arithmetic of RFC 1982.
pub(super) fn is_newer_serial(serial: u32, than: u32) -> bool {
    SerialNumber::from(serial) > SerialNumber::from(than)
}
