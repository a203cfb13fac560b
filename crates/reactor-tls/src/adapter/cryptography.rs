//! The library of cryptography: its provider, the versions of TLS, and the keys of session tickets.

use std::sync::Arc;
use std::time::Duration;

#[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
use rustls::Error;
use rustls::SupportedProtocolVersion;
use rustls::crypto::{CryptoProvider, GetRandomFailed};
use rustls::server::ProducesTickets;
use rustls::ticketer::TicketRotator;

use crate::config::Common;
use crate::error::TlsConfigError;
use crate::info::TlsVersion;
use crate::provider::Provider;

/// Constructors of one library of cryptography.
struct Cryptography {
    provider: fn() -> CryptoProvider,
    one_key: fn() -> OneKey,
}

fn cryptography(wanted: Option<Provider>) -> Result<Cryptography, TlsConfigError> {
    // With both features, `None` means `ring`: the default must not depend on which other crate of
    // the program turns the second feature on.
    #[cfg(feature = "ring")]
    if matches!(wanted, None | Some(Provider::Ring)) {
        return Ok(Cryptography {
            provider: rustls::crypto::ring::default_provider,
            one_key: || one_key(rustls::crypto::ring::Ticketer::new()),
        });
    }
    #[cfg(feature = "aws-lc-rs")]
    if matches!(wanted, None | Some(Provider::AwsLcRs)) {
        return Ok(Cryptography {
            provider: rustls::crypto::aws_lc_rs::default_provider,
            one_key: || one_key(rustls::crypto::aws_lc_rs::Ticketer::new()),
        });
    }
    Err(TlsConfigError::NoProvider { wanted })
}

pub(super) fn provider(wanted: Option<Provider>) -> Result<Arc<CryptoProvider>, TlsConfigError> {
    let Cryptography { provider, .. } = cryptography(wanted)?;
    Ok(Arc::new(provider()))
}

pub(super) fn versions(wanted: &[TlsVersion]) -> Vec<&'static SupportedProtocolVersion> {
    // No wish means every version that the crate was built with.
    let has = |version| wanted.is_empty() || wanted.contains(&version);
    let mut versions = Vec::new();
    if has(TlsVersion::Tls13) {
        versions.push(&rustls::version::TLS13);
    }
    #[cfg(feature = "tls12")]
    if has(TlsVersion::Tls12) {
        versions.push(&rustls::version::TLS12);
    }
    versions
}

/// Session tickets, shared by all loops of a server; rustls rotates their key.
pub(crate) type Ticketer = Arc<dyn ProducesTickets>;

/// Ticketer with one key, or the error of making it; [`TicketRotator`] replaces it.
type OneKey = Result<Box<dyn ProducesTickets>, GetRandomFailed>;

pub(crate) fn ticketer(
    common: &Common,
    key_lifetime: Duration,
) -> Result<Ticketer, TlsConfigError> {
    let Cryptography { one_key, .. } = cryptography(common.provider)?;
    // In seconds; rustls tells clients twice as many, because a ticket is accepted under the
    // previous key, too.
    // At least one second: clients discard tickets with a lifetime of 0 at once (RFC 8446, section
    // 4.6.1).
    let seconds = key_lifetime.min(TICKET_KEY_LIFETIME).as_secs().max(1);
    let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
    let rotator = TicketRotator::new(seconds, one_key);
    let rotator = rotator.map_err(|error| TlsConfigError::invalid("tickets", error))?;
    Ok(Arc::new(rotator))
}

/// Default and maximum lifetime of a key. The ticketers of the providers rotate their own key every
/// six hours, so a longer lifetime would have no effect.
pub(crate) const TICKET_KEY_LIFETIME: Duration = Duration::from_secs(6 * 60 * 60);

#[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
fn one_key(ticketer: Result<Ticketer, Error>) -> OneKey {
    // The only error of these constructors is that of the random numbers for the key.
    let ticketer = ticketer.map_err(|_| GetRandomFailed)?;
    Ok(Box::new(Shared(ticketer)))
}

/// A shared ticketer, as the box that `TicketRotator` takes.
#[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
#[derive(Debug)]
struct Shared(Ticketer);

#[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
impl ProducesTickets for Shared {
    fn enabled(&self) -> bool {
        self.0.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.0.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.0.encrypt(plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.0.decrypt(cipher)
    }
}

#[cfg(all(test, feature = "ring", feature = "aws-lc-rs"))]
mod tests {
    use super::{CryptoProvider, Provider, provider};

    fn groups(provider: &CryptoProvider) -> Vec<&'static str> {
        let groups = provider.kx_groups.iter();
        groups.filter_map(|group| group.name().as_str()).collect()
    }

    #[test]
    fn with_both_providers_it_is_ring_unless_the_other_is_named() {
        let of = |wanted| groups(&provider(wanted).expect("both are built"));
        assert_eq!(of(None), of(Some(Provider::Ring)));
        assert!(!of(None).contains(&"X25519MLKEM768"));
        assert_eq!(of(Some(Provider::AwsLcRs))[0], "X25519MLKEM768");
    }
}
