//! Configuration of a server.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;

use super::certificates::{Always, ByName, KeyPair, RootSet};
use super::cryptography::{Ticketer, provider, versions};
use crate::config::{Common, Names};
use crate::error::TlsConfigError;

pub(crate) type Server = Arc<ServerConfig>;

/// Whether a server asks its clients for certificates.
#[derive(Clone, Default)]
pub(crate) enum ClientAuth {
    #[default]
    None,
    Optional(RootSet),
    Required(RootSet),
}

pub(crate) fn server(
    common: &Common,
    names: &Names<Arc<KeyPair>>,
    client_auth: &ClientAuth,
    ticketer: Ticketer,
) -> Result<Server, TlsConfigError> {
    let provider = provider(common.provider)?;
    let names = names.try_map(|pair| pair.certified(&provider))?;
    let invalid = |error| TlsConfigError::invalid("versions", error);
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions(&common.versions))
        .map_err(invalid)?;
    let builder = match client_auth {
        ClientAuth::None => builder.with_no_client_auth(),
        ClientAuth::Optional(roots) | ClientAuth::Required(roots) => {
            let mut verifier =
                WebPkiClientVerifier::builder_with_provider(roots.store()?, provider)
                    .with_crls(roots.revoked.clone());
            if matches!(client_auth, ClientAuth::Optional(_)) {
                verifier = verifier.allow_unauthenticated();
            }
            let verifier = verifier
                .build()
                .map_err(|error| TlsConfigError::invalid("roots of clients", error))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(ByName { names }));
    config.alpn_protocols.clone_from(&common.alpn);
    config.ticketer = ticketer;
    // 0-RTT data can be replayed by an attacker (RFC 8446, section 8), so it is not accepted.
    config.max_early_data_size = 0;
    if common.logs_keys {
        config.key_log = Arc::new(rustls::KeyLogFile::new());
    }
    Ok(Arc::new(config))
}

/// A copy of `config` with the certificate that was chosen for one connection.
pub(super) fn with_identity(config: &Server, pair: &KeyPair) -> Result<Server, TlsConfigError> {
    let certified = pair.certified(config.crypto_provider())?;
    // rustls takes a certificate only as part of the configuration. The copy is shallow: session
    // storage and ticketer stay shared, so its sessions can be resumed by any connection.
    let mut config = ServerConfig::clone(config);
    config.cert_resolver = Arc::new(Always(certified));
    Ok(Arc::new(config))
}
