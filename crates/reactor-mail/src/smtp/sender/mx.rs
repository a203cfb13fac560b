//! `MxClient`: sends mail to the servers of a domain.

use std::fmt;
use std::net::IpAddr;
use std::rc::Rc;

use deferred::{Cancelled, Deferred, Failure, Result, fail, inline_callbacks};
use rand::seq::SliceRandom;
use reactor::ReactorHandle;
use reactor_names::hickory_proto::rr::rdata::MX;
use reactor_names::{Dns, LookupError, LookupErrorKind};
use reactor_tls::TlsClient;

use super::mail::Mail;
use super::options::{Options, StartTlsOptions};
use super::sent::Sent;
use super::session::Session;
use crate::smtp::smtp_error::SmtpError;

/// Most servers of a domain that are tried for one message.
// RFC 5321 (section 5.1) allows a limit.
const MAX_SERVERS: usize = 10;

/// Sends mail to the servers of its recipients' domain, which it looks up in the DNS (`MX`). (Twisted:
/// `MXCalculator`, `SmartHostSMTPRelayingManager`.)
///
/// The servers are tried in the order of their preference, those of equal preference in random
/// order, until one accepts or permanently refuses the message; 10 at most. A domain without `MX`
/// records is its own server. The resolver of the reactor resolves the names of the servers.
///
/// # Examples
///
/// ```no_run
/// use reactor::Reactor;
/// use reactor_mail::MxClient;
/// use reactor_names::Dns;
///
/// let reactor = Reactor::new()?;
/// let dns = Dns::from_system()?;
/// reactor.set_resolver(dns.clone());
/// let client = MxClient::new(&reactor, &dns).with_hello("mail.example.org");
/// let to = ["bob@example.com", "carol@example.com"];
/// let sent = client.send("example.com", "eve@example.org", &to, "Subject: hi\r\n\r\nHello!\r\n");
/// println!("{}", reactor.block_on(sent)?.reply);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "MXCalculator")]
#[derive(Clone)]
pub struct MxClient {
    settings: Rc<Settings>,
}

#[derive(Clone)]
struct Settings {
    reactor: ReactorHandle,
    dns: Dns,
    port: u16,
    hello: Option<String>,
    tls: Option<TlsClient>,
}

impl MxClient {
    /// A client that looks up servers with `dns`, and connects to their port 25.
    pub fn new(reactor: &ReactorHandle, dns: &Dns) -> Self {
        let settings = Settings {
            reactor: reactor.clone(),
            dns: dns.clone(),
            port: 25,
            hello: None,
            tls: None,
        };
        Self {
            settings: Rc::new(settings),
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Rc::make_mut(&mut self.settings));
        self
    }

    /// The name by which the client introduces itself (EHLO), which should be a host name that resolves
    /// to its address. If this is the name of one of the domain's servers, only servers that are
    /// preferred to it are tried, so that mail does not loop.
    #[must_use]
    pub fn with_hello(self, name: impl Into<String>) -> Self {
        self.with(|settings| settings.hello = Some(name.into()))
    }

    /// Encrypts by STARTTLS where it is offered.
    ///
    /// `tls` checks the certificates; a server with a certificate that it refuses counts as not
    /// reachable. Many mail servers have no valid certificate. Unless you have a policy about them, a
    /// `TlsClient` that accepts any certificate is better than no TLS, because only an active attacker
    /// can then read the mail.
    #[must_use]
    pub fn with_tls_if_offered(self, tls: TlsClient) -> Self {
        self.with(|settings| settings.tls = Some(tls))
    }

    /// The port of the servers: 25 unless this is set.
    #[must_use]
    pub fn with_port(self, port: u16) -> Self {
        self.with(|settings| settings.port = port)
    }

    /// Sends a message to recipients of one domain. `domain` is the part of their addresses behind the
    /// `@`, which may also be an IP address in brackets.
    ///
    /// # Errors
    ///
    /// Through the Deferred: as those of [`send_mail`](crate::send_mail), and [`LookupError`].
    /// [`SmtpError::NoSuchDomain`], [`NullMx`](SmtpError::NullMx) and
    /// [`MailLoop`](SmtpError::MailLoop) are permanent. If all servers have failed, the error is that
    /// of the last server whose error is not permanent, or of the last server if all are permanent.
    pub fn send(
        &self,
        domain: &str,
        from: &str,
        to: &[&str],
        message: impl AsRef<[u8]>,
    ) -> Deferred<Sent> {
        let mail = match Mail::new(from, to, message.as_ref()) {
            Ok(mail) => mail,
            Err(error) => return fail(error),
        };
        let (settings, domain) = (Rc::clone(&self.settings), domain.to_owned());
        inline_callbacks(async move {
            let servers = settings.servers(&domain).await?;
            settings.try_each(&servers, &mail).await
        })
    }
}

impl fmt::Debug for MxClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MxClient")
            .field("hello", &self.settings.hello)
            .field("port", &self.settings.port)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// The servers of a domain, in the order in which they are tried.
    async fn servers(&self, domain: &str) -> Result<Vec<String>> {
        if let Some(address) = address_literal(domain) {
            return Ok(vec![address.to_string()]);
        }
        // With a dot at the end, so that the search list is not used.
        let name = format!("{}.", domain.trim_end_matches('.'));
        let domain = || domain.to_owned();
        match self.dns.lookup_mx(&self.reactor, &name).await {
            // Only the root as server (RFC 7505). Tested before `in_order`, which leaves the root out.
            Ok(records) if records.iter().all(|mx| mx.exchange.is_root()) => {
                Err(SmtpError::NullMx { domain: domain() }.into())
            }
            Ok(records) => {
                let servers = in_order(records, self.hello.as_deref());
                if servers.is_empty() {
                    return Err(SmtpError::MailLoop { domain: domain() }.into());
                }
                Ok(servers)
            }
            Err(failure) => match lookup_kind(&failure) {
                // The implicit MX (RFC 5321, section 5.1), only if there is no MX record. A failed
                // look-up does not prove that, so it fails, with an error that is not permanent.
                Some(LookupErrorKind::NoRecords) if self.has_address(&name).await? => {
                    Ok(vec![domain()])
                }
                Some(LookupErrorKind::NoSuchName | LookupErrorKind::NoRecords) => {
                    Err(SmtpError::NoSuchDomain { domain: domain() }.into())
                }
                _ => Err(failure),
            },
        }
    }

    async fn has_address(&self, name: &str) -> Result<bool> {
        let reactor = &self.reactor;
        let v4 = self.dns.lookup_a(reactor, name).map_ok(drop);
        let v6 = self.dns.lookup_aaaa(reactor, name).map_ok(drop);
        // Both look-ups run at the same time, because a look-up begins when it is called.
        let (v4, v6) = (v4.await, v6.await);
        if v4.is_ok() || v6.is_ok() {
            return Ok(true);
        }
        for result in [v4, v6] {
            match result {
                Err(failure) if lookup_kind(&failure) != Some(LookupErrorKind::NoRecords) => {
                    return Err(failure);
                }
                _ => {}
            }
        }
        Ok(false)
    }

    async fn try_each(&self, servers: &[String], mail: &Mail) -> Result<Sent> {
        let mut worst = None;
        for server in servers {
            let failure = match self.try_one(server, mail).await {
                Ok(sent) => return Ok(sent),
                Err(Attempt::Final(failure)) => return Err(failure),
                Err(Attempt::Next(failure)) => failure,
            };
            tracing::debug!(target: "reactor_mail", server, %failure, "a server did not take a message");
            // An error that is not permanent takes precedence, because that server may accept the
            // message later.
            if !is_permanent(&failure) || worst.as_ref().is_none_or(is_permanent) {
                worst = Some(failure);
            }
        }
        // Always `Some`, because there is at least one server.
        Err(worst.unwrap_or_else(|| SmtpError::HungUp.into()))
    }

    async fn try_one(&self, server: &str, mail: &Mail) -> Result<Sent, Attempt> {
        let tls = self.tls.as_ref().map(|client| StartTlsOptions {
            client: client.clone(),
            name: server.to_owned(),
            // Opportunistic (RFC 7435): servers of other domains need not offer TLS.
            is_required: false,
        });
        let options = Options {
            hello: self.hello.clone(),
            tls,
            login: None,
        };
        let opening = Session::open(&self.reactor, &(server, self.port), Rc::new(options));
        let session = opening.await.map_err(|failure| {
            if failure.is::<Cancelled>() {
                Attempt::Final(failure)
            } else {
                Attempt::Next(failure)
            }
        })?;
        let result = session.send(mail).await;
        // The session is not needed after this message. QUIT does nothing if it has been aborted.
        let is_in_doubt = session.is_in_doubt();
        session.quit();
        result.map_err(|failure| {
            let is_refused = match failure.check() {
                // Another server of the domain may have the extension.
                Some(SmtpError::NotSupported { .. }) => false,
                Some(error) => error.is_permanent(),
                None => failure.is::<Cancelled>(),
            };
            // A message that this server may have accepted is not sent to the next one. A refusal of
            // the message shows that this server has not accepted it.
            let is_lost =
                is_in_doubt && !matches!(failure.check(), Some(SmtpError::Refused { .. }));
            if is_refused || is_lost {
                Attempt::Final(failure)
            } else {
                Attempt::Next(failure)
            }
        })
    }
}

/// Why a server has not accepted the message.
enum Attempt {
    /// The next server is tried.
    Next(Failure),
    /// No other server is tried.
    Final(Failure),
}

fn is_permanent(failure: &Failure) -> bool {
    failure.check().is_some_and(SmtpError::is_permanent)
}

fn lookup_kind(failure: &Failure) -> Option<LookupErrorKind> {
    failure.check().map(LookupError::kind)
}

/// The IP address of a domain that is an address in brackets (RFC 5321, section 4.1.3).
fn address_literal(domain: &str) -> Option<IpAddr> {
    let text = domain.strip_prefix('[')?.strip_suffix(']')?;
    match text.split_at_checked(5) {
        Some((tag, address)) if tag.eq_ignore_ascii_case("IPv6:") => {
            address.parse().ok().map(IpAddr::V6)
        }
        _ => text.parse().ok().map(IpAddr::V4),
    }
}

/// The names of the servers by preference, those of equal preference in random order. If `own` is
/// among them, it and the servers that are not preferred to it are left out (RFC 5321, section 5.1).
fn in_order(mut records: Vec<MX>, own: Option<&str>) -> Vec<String> {
    records.retain(|mx| !mx.exchange.is_root());
    // Before the stable sort, which keeps the random order of equal preferences.
    records.shuffle(&mut rand::rng());
    records.sort_by_key(|mx| mx.preference); // stable
    let named = records.into_iter().map(|mx| {
        let mut name = mx.exchange;
        // Without the dot at the end, as in certificates and in `own`.
        name.set_fqdn(false);
        (mx.preference, name.to_ascii())
    });
    let named = named.collect::<Vec<_>>();
    let is_own =
        |name: &str| own.is_some_and(|own| own.trim_end_matches('.').eq_ignore_ascii_case(name));
    let own_preference = named.iter().find(|(_, name)| is_own(name)).map(|it| it.0);
    let before_own = |it: &(u16, String)| own_preference.is_none_or(|own| it.0 < own);
    let servers = named.into_iter().filter(before_own).map(|(_, name)| name);
    servers.take(MAX_SERVERS).collect()
}
