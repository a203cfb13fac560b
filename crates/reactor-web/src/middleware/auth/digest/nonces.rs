//! `Nonces`: makes the nonces of digest authentication, and refuses a proof that is used twice.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use deferred::Result;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::random;

/// How long a nonce is valid.
const LIFETIME: Duration = Duration::from_secs(300);

/// Most nonces whose request numbers are remembered; beyond that, the oldest nonce is forgotten,
/// and is then stale.
const MAX_NONCES: usize = 10_000;

/// Bytes of a nonce: time, random bytes, and the code that proves that this process has made it.
// Half of an HMAC of SHA-256 is enough for a nonce of 5 minutes (RFC 2104, 5).
const LENGTH: usize = 8 + 8 + 16;

/// Makes nonces, and remembers which numbers were used with them.
///
/// A nonce contains the time at which it was made, and a code that proves that this process has
/// made it. So nothing is kept for a client that only gets a challenge: a nonce gets an entry with
/// its first right proof.
pub(super) struct Nonces {
    key: [u8; 32],
    lifetime: Duration,
    used: HashMap<String, Window>,
    /// The nonces of `used`, by when they were made.
    // The nonce is part of the key, since several may have been made at the same time.
    order: BTreeMap<(Duration, String), ()>,
    /// Set when an entry is dropped: the time at which its nonce was made. That nonce and all older
    /// ones are stale, since without the entry, a proof with it could be used again.
    forgotten: Option<Duration>,
}

/// The highest request number that was used with a nonce, and a bit for each of the 64 up to it:
/// requests of one client may overtake each other.
#[derive(Clone, Copy, Default)]
struct Window {
    highest: u32,
    /// Bit `n` is set if the number `highest - n` was used.
    bits: u64,
}

impl Window {
    /// Marks a number as used; `false` if it was used, or may have been, since it is more than 63
    /// below the highest.
    fn take(&mut self, number: u32) -> bool {
        if number > self.highest {
            // A step of 64 or more clears all of the old bits.
            let ahead = number - self.highest;
            self.bits = self.bits.checked_shl(ahead).unwrap_or_default() | 1;
            self.highest = number;
            return true;
        }
        let behind = self.highest - number;
        let Some(bit) = 1_u64.checked_shl(behind) else {
            return false;
        };
        let is_new = self.bits & bit == 0;
        self.bits |= bit;
        // Clients count from 1 (RFC 7616, 3.4).
        is_new && number > 0
    }
}

/// The result of the check of a nonce and its request number.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Fresh,
    /// Made by this process, but too old, forgotten, or used with this number before: the client
    /// gets a new nonce, and this does not count as a failed login. A right proof with a nonce of
    /// another process counts as stale, too.
    Stale,
    /// Not made by this process, and the proof is wrong.
    Forged,
}

impl Nonces {
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            key: random::bytes()?,
            lifetime: LIFETIME,
            used: HashMap::new(),
            order: BTreeMap::new(),
            forgotten: None,
        })
    }

    pub(super) fn set_lifetime(&mut self, lifetime: Duration) {
        self.lifetime = lifetime;
    }

    pub(super) fn make(&self, now: Duration) -> Result<String> {
        let mut nonce = [0; LENGTH];
        // Enough for 584 years.
        let time = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        nonce[..8].copy_from_slice(&time.to_be_bytes());
        nonce[8..16].copy_from_slice(&random::bytes::<8>()?);
        let code = self.code(&nonce[..16])?.finalize().into_bytes();
        nonce[16..].copy_from_slice(&code[..16]);
        Ok(URL_SAFE_NO_PAD.encode(nonce))
    }

    fn code(&self, text: &[u8]) -> Result<Hmac<Sha256>> {
        let mut code = Hmac::<Sha256>::new_from_slice(&self.key)?;
        code.update(text);
        Ok(code)
    }

    /// When `nonce` was made; `None` if another process has made it.
    fn made_at(&self, nonce: &str) -> Option<Duration> {
        let bytes = URL_SAFE_NO_PAD.decode(nonce).ok()?;
        let bytes: [u8; LENGTH] = bytes.try_into().ok()?;
        let code = self.code(&bytes[..16]).ok()?;
        // Compares in constant time.
        code.verify_truncated_left(&bytes[16..]).ok()?;
        let (time, _) = bytes.split_first_chunk()?;
        Some(Duration::from_nanos(u64::from_be_bytes(*time)))
    }

    /// Checks the request with `number` of `nonce`. `counts` is whether its proof is right: only
    /// then is the number marked as used, so that an attacker cannot use up those of a client.
    pub(super) fn check(
        &mut self,
        nonce: &str,
        number: u32,
        counts: bool,
        now: Duration,
    ) -> Verdict {
        let Some(made_at) = self.made_at(nonce) else {
            // A right proof shows that the client knows the secret: then the nonce is of another
            // process, or from before a restart.
            return if counts {
                Verdict::Stale
            } else {
                Verdict::Forged
            };
        };
        let is_forgotten = self.forgotten.is_some_and(|then| made_at <= then);
        if now.saturating_sub(made_at) > self.lifetime || is_forgotten {
            return Verdict::Stale;
        }
        // Nothing is kept for a wrong proof, though its nonce is ours.
        if !counts {
            return Verdict::Fresh;
        }
        // Before the insertion, so that there are never more than `MAX_NONCES`.
        self.forget(now);
        if !self.used.contains_key(nonce) {
            self.order.insert((made_at, nonce.to_owned()), ());
        }
        match self.used.entry(nonce.to_owned()).or_default().take(number) {
            true => Verdict::Fresh,
            false => Verdict::Stale,
        }
    }

    /// Drops the entries of nonces that are too old, and the oldest if there are [`MAX_NONCES`].
    fn forget(&mut self, now: Duration) {
        while let Some(((made_at, _), ())) = self.order.first_key_value() {
            let is_old = now.saturating_sub(*made_at) > self.lifetime;
            if !is_old && self.used.len() < MAX_NONCES {
                return;
            }
            if let Some(((made_at, nonce), ())) = self.order.pop_first() {
                self.used.remove(&nonce);
                // The numbers used with it are no longer known, so no nonce made until then may be
                // accepted again.
                self.forgotten = Some(made_at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_number_is_taken_once_in_any_order_within_64() {
        let mut nonces = Nonces::new().unwrap();
        let nonce = nonces.make(SECOND).unwrap();
        let mut check = |number| nonces.check(&nonce, number, true, SECOND);
        for number in [1, 3, 2, 70, 7, 69] {
            assert_eq!(check(number), Verdict::Fresh, "{number}");
            assert_eq!(check(number), Verdict::Stale, "{number} again");
        }
        for number in [0, 4, 6] {
            assert_eq!(check(number), Verdict::Stale, "{number} is too old");
        }
        assert_eq!(check(u32::MAX), Verdict::Fresh);
        assert_eq!(check(u32::MAX), Verdict::Stale);
    }

    #[test]
    fn a_nonce_is_valid_for_its_time_and_only_if_it_is_ours() {
        let mut nonces = Nonces::new().unwrap();
        let nonce = nonces.make(SECOND).unwrap();
        assert_eq!(nonces.check(&nonce, 1, true, SECOND * 301), Verdict::Fresh);
        assert_eq!(nonces.check(&nonce, 2, true, SECOND * 302), Verdict::Stale);
        let other = Nonces::new().unwrap().make(SECOND).unwrap();
        assert_eq!(nonces.check(&other, 1, false, SECOND), Verdict::Forged);
        assert_eq!(nonces.check("x", 1, false, SECOND), Verdict::Forged);
        assert_ne!(nonce, nonces.make(SECOND).unwrap());
    }

    #[test]
    fn the_table_is_bounded_and_what_is_forgotten_is_not_fresh_again() {
        let mut nonces = Nonces::new().unwrap();
        let first = nonces.make(SECOND).unwrap();
        assert_eq!(nonces.check(&first, 1, true, SECOND), Verdict::Fresh);
        for number in 1..=MAX_NONCES {
            let now = SECOND + Duration::from_millis(number as u64);
            let nonce = nonces.make(now).unwrap();
            assert_eq!(nonces.check(&nonce, 1, true, now), Verdict::Fresh);
        }
        assert_eq!(nonces.used.len(), MAX_NONCES);
        assert_eq!(nonces.order.len(), MAX_NONCES);
        assert_eq!(nonces.check(&first, 1, true, SECOND * 12), Verdict::Stale);
    }
}
