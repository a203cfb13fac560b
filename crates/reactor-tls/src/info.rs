//! What is known of a TLS connection that is open.

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

/// What the two sides of a TLS connection have agreed on, and what is known of the peer: from
/// [`filter_info`](reactor::Context::filter_info).
///
/// # Examples
///
/// A protocol that only speaks HTTP/2:
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
    /// The name of the cipher suite, as IANA has it.
    pub cipher_suite: &'static str,
    /// The name of the group that keys were exchanged in, if they were: a resumed session of
    /// TLS 1.2 has none.
    pub key_exchange: Option<&'static str>,
    /// The application protocol that was agreed on, if one was.
    pub alpn: Option<Vec<u8>>,
    /// The name that the client has asked for, at the server.
    pub server_name: Option<String>,
    /// The certificates that the peer has shown, in DER: its own first.
    pub peer_certificates: Vec<Vec<u8>>,
    /// Whether an earlier session was resumed.
    pub is_resumed: bool,
}
