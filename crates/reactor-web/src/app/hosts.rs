//! `Hosts`: virtual hosts, which choose a handler by the host that a request names.

use deferred::Result;
use http::{header, request};

use crate::handler::AnyHandler;

/// Handlers by the name of the host.
#[derive(Default)]
pub(super) struct Hosts(Vec<(Name, AnyHandler)>);

enum Name {
    Exactly(String),
    /// The suffix with its dot: `.example.org` for `*.example.org`.
    Below(String),
}

impl Hosts {
    pub(super) fn add(&mut self, name: &str, handler: AnyHandler) {
        let name = name.to_ascii_lowercase();
        let name = match name.strip_prefix('*') {
            Some(suffix) => Name::Below(suffix.to_owned()),
            None => Name::Exactly(name),
        };
        self.0.push((name, handler));
    }

    pub(super) fn prepare(&self) -> Result<()> {
        self.0.iter().try_for_each(|(_, handler)| handler.prepare())
    }

    /// The handler for a request: that of the exact name, else that of the longest suffix.
    pub(super) fn of(&self, head: &request::Parts) -> Option<&AnyHandler> {
        if self.0.is_empty() {
            return None;
        }
        // Host names are compared without letter case (RFC 9110, 4.2.3).
        let host = name_of(head)?.to_ascii_lowercase();
        let length = |name: &Name| match name {
            Name::Exactly(exact) => (*exact == host).then_some(usize::MAX),
            Name::Below(suffix) => host.ends_with(suffix.as_str()).then_some(suffix.len()),
        };
        let names = self.0.iter();
        names
            .filter_map(|(name, handler)| Some((length(name)?, handler)))
            .max_by_key(|(length, _)| *length)
            .map(|(_, handler)| handler)
    }
}

/// The host that a request is for, without its port.
fn name_of(head: &request::Parts) -> Option<&str> {
    // A target with a host takes precedence over `Host` (RFC 9112, 3.2.2). hyper puts the
    // `:authority` of HTTP/2 there, too.
    if let Some(host) = head.uri.host() {
        return Some(host);
    }
    let host = head.headers.get(header::HOST)?.to_str().ok()?;
    if host.starts_with('[') {
        // An IPv6 address has colons of its own.
        return Some(&host[..=host.find(']')?]);
    }
    host.split(':').next()
}
