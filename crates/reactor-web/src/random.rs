//! Random bytes of the operating system, for values that nobody may guess.

use deferred::{Failure, Result};

/// `N` bytes that cannot be guessed.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    match getrandom::fill(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) => Err(Failure::msg(format!(
            "the system has no random bytes: {error}"
        ))),
    }
}

/// `bytes` as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
