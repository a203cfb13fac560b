//! `TlsFilter`: one TLS connection, as a filter.
//!
//! ```text
//!            ┌ Accepting ─▶ Choosing ┐
//!  start ──▶ │ (server)              │──▶ Handshake ──▶ Open ──▶ Closed
//!            └ (client) ─────────────┘        │
//!            any of them ◀────────────────────┘ ──▶ Failed
//! ```

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use deferred::{CancelOnDrop, Failure, Result};
use reactor::filter::{Filter, InfoRequest, Link};

use crate::adapter::{self, Accepting, Greeted, ServerName, Session};
use crate::client::TlsClient;
use crate::error::{TlsConfigError, TlsError, TlsErrorKind};
use crate::identity::Identity;
use crate::info::TlsInfo;
use crate::server::{ClientHello, TlsServer};

/// Beginnings of HTTP requests and answers.
const HTTP: [&[u8]; 9] = [
    b"GET ",
    b"HEAD ",
    b"POST ",
    b"PUT ",
    b"DELETE ",
    b"OPTIONS ",
    b"CONNECT ",
    b"PATCH ",
    b"HTTP/",
];

/// Number of bytes at the beginning of the input that are kept, to detect HTTP.
// Length of the longest entries of `HTTP`: further bytes would decide nothing.
const FIRST: usize = 8;

/// TLS on one connection: from [`TlsServer::filter`] or [`TlsClient::filter`].
///
/// Put it in from the start, or in the middle with [`StartTls`](crate::StartTls).
///
/// # Examples
///
/// A client's first bytes, and its error at an answer that is not TLS:
///
/// ```
/// # #[cfg(feature = "platform-verifier")]
/// # {
/// use reactor::testing::FilterDriver;
/// use reactor_tls::{TlsClient, TlsError, TlsErrorKind};
///
/// let client = TlsClient::builder().build()?;
/// let mut driver = FilterDriver::new(client.filter("example.org")?)?;
/// assert_eq!(driver.sent()[0], 22, "a handshake record");
/// let failure = driver.receive("HTTP/1.1 400 Bad Request\r\n").unwrap_err();
/// let error = failure.downcast_ref::<TlsError>().unwrap();
/// assert_eq!(error.kind(), &TlsErrorKind::PlainHttp);
/// # }
/// # Ok::<(), deferred::Failure>(())
/// ```
pub struct TlsFilter {
    side: Side,
    state: State,
    /// Deadline of the handshake.
    deadline: Duration,
    /// The first bytes of the input, `FIRST` at most.
    first: Vec<u8>,
    // Set once, when the handshake is finished.
    info: Option<TlsInfo>,
}

enum Side {
    Server(TlsServer),
    Client(TlsClient, ServerName<'static>),
}

enum State {
    // Left by `start`.
    NotStarted,
    // Left when the ClientHello is complete.
    Accepting(Box<Accepting>),
    // Left by the wake that the result of the callback causes.
    Choosing(Box<Greeted>, Choice),
    // Left when the session is open, which includes that the peer is verified.
    Handshake(Session),
    // Not left at a close_notify: what this side still sends goes through the session.
    Open(Session),
    // Entered by `fail`, and never left.
    Failed,
}

/// Pending choice of a certificate by the callback of the server.
struct Choice {
    found: Rc<RefCell<Option<Result<Identity>>>>,
    /// Cancelled when the connection closes.
    _search: CancelOnDrop<()>,
}

impl TlsServer {
    /// Makes a filter for one accepted connection.
    pub fn filter(&self) -> TlsFilter {
        TlsFilter::new(Side::Server(self.clone()))
    }
}

impl TlsClient {
    /// Makes a filter for one connection to a server, whose certificate must be for `name`, a host
    /// name or an IP address. A host name is also sent to the server (SNI).
    ///
    /// # Errors
    ///
    /// `name` is neither.
    pub fn filter(&self, name: &str) -> std::result::Result<TlsFilter, TlsConfigError> {
        Ok(self.filters(name)?())
    }

    /// A function that makes filters for connections to `name`.
    pub(crate) fn filters(
        &self,
        name: &str,
    ) -> std::result::Result<impl Fn() -> TlsFilter + use<>, TlsConfigError> {
        let server_name = adapter::server_name(name).ok_or_else(|| TlsConfigError::BadName {
            name: name.to_owned(),
        })?;
        let client = self.clone();
        Ok(move || TlsFilter::new(Side::Client(client.clone(), server_name.clone())))
    }
}

impl TlsFilter {
    fn new(side: Side) -> Self {
        Self {
            side,
            state: State::NotStarted,
            deadline: Duration::ZERO,
            first: Vec::new(),
            info: None,
        }
    }

    /// Moves to `Failed`; returns the failure with which the connection ends.
    #[cold]
    fn fail(&mut self, kind: TlsErrorKind, link: &Link<'_>) -> Failure {
        self.state = State::Failed;
        let kind = match kind {
            TlsErrorKind::NotTls if self.speaks_http() => TlsErrorKind::PlainHttp,
            kind => kind,
        };
        Failure::new(match &self.side {
            Side::Server(_) => TlsError::at_server(link.peer().to_string(), kind),
            Side::Client(_, name) => TlsError::at_client(name.to_str().into_owned(), kind),
        })
    }

    fn speaks_http(&self) -> bool {
        // rustls refuses the input at the first record header, so fewer bytes than a whole method
        // may be here: the common length decides.
        HTTP.iter().any(|start| {
            let common = start.len().min(self.first.len());
            common > 0 && start[..common] == self.first[..common]
        })
    }

    /// Calls the callback that chooses a certificate, if the server has one; else answers at once.
    fn greet(&mut self, greeted: Greeted, link: &mut Link<'_>) -> Result<()> {
        let Side::Server(server) = &self.side else {
            return Ok(());
        };
        let Some(choose) = server.choose() else {
            return self.answer(greeted, None, link);
        };
        // The choice may take time, for example for a look-up in a database. Its result waits in
        // `found`, since only `wake` has a link to answer through; dropping the state cancels it.
        let hello = greeted.hello();
        let search = choose(&ClientHello {
            server_name: hello.server_name,
            alpn: hello.alpn,
        });
        let found = Rc::new(RefCell::new(None));
        let (to_tell, waker) = (Rc::clone(&found), link.waker());
        let search = search.add_both(move |result| {
            to_tell.replace(Some(result));
            waker.wake();
            Ok(())
        });
        self.state = State::Choosing(
            Box::new(greeted),
            Choice {
                found,
                _search: search.cancel_on_drop(),
            },
        );
        // The Deferred of the callback may have fired at once; then no wake is needed.
        self.look_at_choice(link)
    }

    /// Answers the client if the choice of a certificate has ended.
    fn look_at_choice(&mut self, link: &mut Link<'_>) -> Result<()> {
        let State::Choosing(_, choice) = &self.state else {
            return Ok(());
        };
        let Some(found) = choice.found.take() else {
            return Ok(());
        };
        // `Failed` until `answer` has set the next state: an error on the way leaves it there.
        let State::Choosing(greeted, choice) = std::mem::replace(&mut self.state, State::Failed)
        else {
            return Ok(());
        };
        drop(choice);
        match found {
            Ok(identity) => self.answer(*greeted, Some(identity), link),
            Err(failure) => {
                let Side::Server(server) = &self.side else {
                    return Ok(());
                };
                // A failed look-up must not take down a site whose certificate is in a file; so it
                // is an error only if no other certificate exists.
                if server.has_identities() {
                    tracing::warn!(
                        target: "reactor_tls",
                        "choosing a certificate has failed, a default one is used: {failure}"
                    );
                    return self.answer(*greeted, None, link);
                }
                Err(self.fail(TlsErrorKind::NoIdentity(failure.to_string()), link))
            }
        }
    }

    fn answer(
        &mut self,
        greeted: Greeted,
        identity: Option<Identity>,
        link: &mut Link<'_>,
    ) -> Result<()> {
        let Side::Server(server) = &self.side else {
            return Ok(());
        };
        let pair = identity.as_ref().map(|identity| &*identity.pair);
        // Read per handshake and not when the filter was made: a `reload` in between counts.
        match greeted.answer(&server.current(), pair, link) {
            Ok(session) => {
                self.state = State::Handshake(session);
                // Input that arrived behind the ClientHello.
                self.receive_more(&[], link)?;
                Ok(())
            }
            Err(kind) => Err(self.fail(kind, link)),
        }
    }

    /// Passes `input` to the session, and opens the filter when its handshake is finished.
    fn receive_more(&mut self, input: &[u8], link: &mut Link<'_>) -> Result<usize> {
        let (State::Handshake(session) | State::Open(session)) = &mut self.state else {
            return Ok(0);
        };
        let consumed = match session.receive(input, link) {
            Ok(consumed) => consumed,
            Err(kind) => return Err(self.fail(kind, link)),
        };
        // Once: the handshake has just been finished. Its timer and the bytes kept for the error
        // text are not needed any more.
        if !link.is_open() && session.is_open() {
            self.info = Some(session.info());
            self.first = Vec::new();
            link.wake_after(None);
            link.open();
            // `Failed` only fills the place while the session moves: no other code runs in between.
            if let State::Handshake(session) = std::mem::replace(&mut self.state, State::Failed) {
                self.state = State::Open(session);
            }
        }
        Ok(consumed)
    }
}

impl Filter for TlsFilter {
    fn start(&mut self, link: &mut Link<'_>) -> Result<()> {
        let timeout = match &self.side {
            Side::Server(server) => {
                // A server sends nothing before the ClientHello.
                self.state = State::Accepting(Box::new(Accepting::new()));
                server.timeout()
            }
            Side::Client(client, name) => {
                match Session::client(client.config(), name.clone()) {
                    Ok(mut session) => {
                        session.flush(link);
                        self.state = State::Handshake(session);
                    }
                    Err(kind) => return Err(self.fail(kind, link)),
                }
                client.timeout()
            }
        };
        // One deadline for the whole handshake, so that a peer which sends a byte now and then does
        // not prolong it.
        self.deadline = link.now().saturating_add(timeout);
        link.wake_after(timeout);
        Ok(())
    }

    fn receive(&mut self, input: &mut [u8], link: &mut Link<'_>) -> Result<usize> {
        if self.info.is_none() && self.first.len() < FIRST {
            // Input that is not consumed is offered again, and would be kept twice. But only input
            // behind a ClientHello is left unconsumed, and that is longer than `FIRST`.
            let wanted = (FIRST - self.first.len()).min(input.len());
            self.first.extend_from_slice(&input[..wanted]);
        }
        match &mut self.state {
            State::Accepting(accepting) => match accepting.receive(input, link) {
                Ok((consumed, None)) => Ok(consumed),
                Ok((consumed, Some(greeted))) => {
                    self.greet(greeted, link)?;
                    Ok(consumed)
                }
                Err(kind) => Err(self.fail(kind, link)),
            },
            // The unconsumed input is offered again when the certificate is chosen.
            State::Choosing(..) | State::NotStarted => Ok(0),
            State::Handshake(_) | State::Open(_) => self.receive_more(input, link),
            // Discarded: the alert is on its way, and the connection is closing.
            State::Failed => Ok(input.len()),
        }
    }

    fn receive_end(&mut self, link: &mut Link<'_>) -> Result<()> {
        let kind = match self.state {
            // After a close_notify, the engine does not call this (`Link::end`; RFC 8446, section
            // 6.1).
            // An end without close_notify may come from an attacker who cuts the connection: so it
            // is an error, never a normal end.
            State::Open(_) => TlsErrorKind::Truncated,
            State::Failed => return Ok(()),
            _ => TlsErrorKind::Interrupted,
        };
        Err(self.fail(kind, link))
    }

    fn send(&mut self, bytes: &[u8], link: &mut Link<'_>) -> Result<usize> {
        match &mut self.state {
            State::Open(session) => match session.send(bytes, link) {
                Ok(taken) => Ok(taken),
                Err(kind) => Err(self.fail(kind, link)),
            },
            // Nothing of the protocol's is sent before the peer is verified.
            _ => Ok(0),
        }
    }

    fn finish(&mut self, link: &mut Link<'_>) -> Result<bool> {
        // Also before the end of the handshake: close_notify tells the peer that this end is meant
        // (RFC 8446, section 6.1).
        if let State::Handshake(session) | State::Open(session) = &mut self.state {
            session.finish(link);
        }
        // Nothing follows `close_notify`; without a session, there is nothing to end.
        Ok(true)
    }

    fn wake(&mut self, link: &mut Link<'_>) -> Result<()> {
        self.look_at_choice(link)?;
        // The wake was for the choice, or is spurious.
        if link.is_open() || matches!(self.state, State::Failed) {
            return Ok(());
        }
        if link.now() >= self.deadline {
            return Err(self.fail(TlsErrorKind::TimedOut, link));
        }
        // Requested again, because the engine has cleared the time of the wake if that has come.
        // The comparison above keeps the subtraction from underflow.
        link.wake_after(self.deadline - link.now());
        Ok(())
    }

    fn info(&self, request: &mut InfoRequest<'_>) {
        if let Some(info) = &self.info {
            request.provide(|| info.clone());
        }
    }
}

impl fmt::Debug for TlsFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsFilter")
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}
