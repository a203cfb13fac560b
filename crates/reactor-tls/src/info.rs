//! `TlsInfo`: facts of an open TLS connection.

/// A version of TLS.
///
/// # Examples
///
/// ```
/// use reactor_tls::TlsVersion;
///
/// assert!(TlsVersion::Tls12 < TlsVersion::Tls13);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TlsVersion {
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// Facts of an open TLS connection, negotiated and about the peer;
/// [`filter_info`](reactor::Context::filter_info) returns them.
///
/// # Examples
///
/// A protocol that requires HTTP/2:
///
/// ```
/// # use reactor::{Context, Protocol, Raw};
/// use reactor_tls::TlsInfo;
///
/// # struct Http2;
/// # impl Protocol for Http2 {
/// #     type Framing = Raw;
/// fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
///     let tls = cx.filter_info::<TlsInfo>();
///     if tls.is_none_or(|tls| tls.alpn.as_deref() != Some(b"h2")) {
///         cx.lose_connection();
///     }
///     Ok(())
/// }
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsInfo {
    /// The version of TLS.
    pub version: TlsVersion,
    /// The name of the cipher suite, as registered with IANA.
    pub cipher_suite: &'static str,
    /// The group of the key exchange. `None` for a resumed session of TLS 1.2, which has no key
    /// exchange.
    pub key_exchange: Option<&'static str>,
    /// The negotiated application protocol (ALPN), if there is one.
    pub alpn: Option<Vec<u8>>,
    /// The name that the client has requested (SNI); only on the server's side.
    pub server_name: Option<String>,
    /// The peer's certificate chain in DER, its own certificate first.
    pub peer_certificates: Vec<Vec<u8>>,
    /// Whether an earlier session was resumed.
    pub is_resumed: bool,
}
