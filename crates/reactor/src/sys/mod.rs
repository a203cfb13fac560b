//! What belongs to one operating system.

mod fork;
#[cfg(target_os = "linux")]
pub(crate) mod peer_credentials;
pub(crate) mod socket;

pub(crate) use self::fork::HomeProcess;
