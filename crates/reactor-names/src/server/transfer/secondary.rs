//! `Secondary`: a copy of a zone that is kept up to date.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::time::Duration;

use deferred::{CancelOnDrop, Deferred, Failure, Result, inline_callbacks, sleep};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use ipnet::IpNet;
use reactor::ReactorHandle;

use super::is_newer_serial;
use super::receive::transfer_zone;
use crate::client::Dns;
use crate::config::DnsConfig;
use crate::hosts::Hosts;
use crate::server::answers::Answers;
use crate::server::clients::Networks;
use crate::server::request::DnsRequest;
use crate::server::zone::{Zone, soa_of};

/// The primaries are asked at most once in this time, whatever the SOA record says, and however
/// many NOTIFYs come.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
/// The primaries are asked at least once in this time.
const LONGEST_PAUSE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// As long as there is no copy, the pause doubles up to this.
const LONGEST_PAUSE_WITHOUT_ZONE: Duration = Duration::from_secs(60);

/// A copy of a zone whose primary is another server: kept up to date as its SOA record says, and at once
/// when the primary sends a NOTIFY. (Twisted: `SecondaryAuthority`, `SecondaryAuthorityService`.)
///
/// It asks the primaries, one after the other, for the SOA record each `refresh` seconds, and after
/// a failure each `retry` seconds. If the serial of that record is newer than that of the copy, it
/// transfers the zone. If no primary has answered for `expire` seconds, it forgets the copy.
/// Without a copy, answers are SERVFAIL. The copy is in memory only.
/// Clones share one secondary, which ends when all of them are dropped.
///
/// # Examples
///
/// ```
/// use reactor::testing;
/// use reactor_names::hickory_proto::rr::Name;
/// use reactor_names::{DnsServer, Secondary, Zones};
///
/// testing::run(|reactor| {
///     let origin = Name::from_ascii("example.org.").unwrap();
///     let primary = "192.0.2.1:53".parse().unwrap();
///     let mut zones = Zones::new();
///     zones.add(origin.clone(), Secondary::start(reactor, origin, [primary]));
///     let port = DnsServer::new(zones).listen(reactor, "192.0.2.2:53").unwrap();
/// #   port.stop_listening().ignore();
/// });
/// ```
#[derive(Clone)]
pub struct Secondary {
    shared: Rc<Shared>,
}

struct Shared {
    reactor: ReactorHandle,
    origin: Name,
    primaries: Vec<SocketAddr>,
    networks: RefCell<Networks>,
    zone: RefCell<Option<Zone>>,
    /// When the copy expires, by the reactor's clock.
    expires: Cell<Duration>,
    /// When the primaries were asked last.
    checked: Cell<Duration>,
    /// Number of checks in a row that have ended without a copy.
    failures: Cell<u32>,
    state: RefCell<State>,
}

/// What the secondary does. It changes in `Shared::check`, `wait` and `notified`; the Deferred of
/// the state that ends is cancelled.
enum State {
    /// Waits until the next check.
    Waits { _next: CancelOnDrop<()> },
    /// Asks the primaries. `again`: a NOTIFY has come in the meantime, so they are asked once more.
    Checks {
        check: Option<CancelOnDrop<()>>,
        again: bool,
    },
}

/// The beginning of a check.
const CHECKS: State = State::Checks {
    check: None,
    again: false,
};

impl Secondary {
    /// Fetches the zone `origin` from the first of the primaries that has it, and keeps it up to date.
    pub fn start(
        reactor: &ReactorHandle,
        mut origin: Name,
        primaries: impl IntoIterator<Item = SocketAddr>,
    ) -> Self {
        origin.set_fqdn(true);
        let shared = Rc::new(Shared {
            reactor: reactor.clone(),
            origin,
            primaries: primaries.into_iter().collect(),
            networks: RefCell::default(),
            zone: RefCell::default(),
            expires: Cell::default(),
            checked: Cell::default(),
            failures: Cell::default(),
            state: RefCell::new(CHECKS),
        });
        shared.check();
        Self { shared }
    }

    /// Lets the clients of these networks transfer the copy; none may by default.
    #[must_use]
    pub fn allow_transfer(self, networks: impl IntoIterator<Item = IpNet>) -> Self {
        self.shared.networks.borrow_mut().extend(networks);
        self
    }

    /// The copy, if there is one.
    pub fn zone(&self) -> Option<Zone> {
        self.shared.zone()
    }

    /// Asks the primaries now, as after a NOTIFY.
    pub fn refresh(&self) {
        self.shared.notified();
    }
}

impl Shared {
    fn zone(&self) -> Option<Zone> {
        let is_expired = self.expires.get() <= self.reactor.now();
        self.zone.borrow().clone().filter(|_| !is_expired)
    }

    /// Asks the primaries. When they have answered, `checked` schedules the next check.
    fn check(self: &Rc<Self>) {
        // Before the primaries are asked: if that fails at once, `add_both` calls `checked`, which
        // sets the next state.
        self.state.replace(CHECKS);
        self.checked.set(self.reactor.now());
        let this = Rc::downgrade(self);
        let asked = ask_primaries(
            Weak::clone(&this),
            self.reactor.clone(),
            self.primaries.clone(),
        );
        let asked = asked.add_both(move |result| {
            if let Some(this) = this.upgrade() {
                this.checked(result);
            }
            Ok(())
        });
        // Not if `checked` was called already: then the state is `Waits`.
        if let State::Checks { check, .. } = &mut *self.state.borrow_mut() {
            *check = Some(asked.cancel_on_drop());
        }
    }

    fn checked(self: &Rc<Self>, result: Result<()>) {
        let zone = self.zone();
        let soa = zone.as_ref().and_then(Zone::soa_data);
        let pause = match (&result, soa) {
            (Ok(()), Some(soa)) => {
                self.failures.set(0);
                seconds(soa.refresh)
            }
            (_, Some(soa)) => seconds(soa.retry),
            (_, None) => {
                let failures = self.failures.replace(self.failures.get().saturating_add(1));
                // The shift is bounded: 1,024 seconds are more than the limit already.
                let doubled = SHORTEST_PAUSE * (1 << failures.min(10));
                doubled.min(LONGEST_PAUSE_WITHOUT_ZONE)
            }
        };
        if let Err(failure) = &result {
            let origin = &self.origin;
            tracing::warn!(target: "reactor", %origin, %failure, "no primary gives its zone");
        }
        // A NOTIFY that came during the check may be about a version that the check has not seen.
        let again = matches!(&*self.state.borrow(), State::Checks { again: true, .. });
        self.wait(if again { SHORTEST_PAUSE } else { pause });
    }

    fn wait(self: &Rc<Self>, pause: Duration) {
        let this = Rc::downgrade(self);
        let next = sleep(&self.reactor, pause).add_callback(move |()| {
            if let Some(this) = this.upgrade() {
                this.check();
            }
            Ok(())
        });
        self.state.replace(State::Waits {
            _next: next.cancel_on_drop(),
        });
    }

    /// Counts the `expire` seconds of the copy anew: a primary has just sent or
    /// confirmed it.
    fn extend_expiry(&self) {
        let zone = self.zone.borrow();
        let expire = zone
            .as_ref()
            .and_then(Zone::soa_data)
            .map_or(0, |soa| soa.expire);
        let expire = Duration::from_secs(expire.max(0).unsigned_abs().into());
        self.expires.set(self.reactor.now() + expire);
    }

    fn notified(self: &Rc<Self>) {
        if let State::Checks { again, .. } = &mut *self.state.borrow_mut() {
            *again = true;
            return;
        }
        let since = self.reactor.now().saturating_sub(self.checked.get());
        match SHORTEST_PAUSE.saturating_sub(since) {
            Duration::ZERO => self.check(),
            pause => self.wait(pause),
        }
    }
}

/// Asks the primaries in their order, until one has sent the zone, or confirmed that the copy is up to
/// date.
///
/// # Errors
///
/// The failure of the last primary, if none has the zone.
fn ask_primaries(
    this: Weak<Shared>,
    reactor: ReactorHandle,
    primaries: Vec<SocketAddr>,
) -> Deferred<()> {
    inline_callbacks(async move {
        let mut error = Failure::msg("there are no primaries");
        for primary in primaries {
            match ask_primary(&this, &reactor, primary).await {
                Ok(()) => return Ok(()),
                Err(failure) if failure.is::<deferred::Cancelled>() => return Err(failure),
                Err(failure) => error = failure,
            }
        }
        Err(error)
    })
}

/// Asks one primary. It holds no strong reference to `Shared` while it awaits an answer, so that the
/// drop of the last `Secondary` ends the check.
async fn ask_primary(
    this: &Weak<Shared>,
    reactor: &ReactorHandle,
    primary: SocketAddr,
) -> Result<()> {
    let (origin, serial) = match this.upgrade() {
        Some(this) => (this.origin.clone(), this.zone().map(|zone| zone.serial())),
        None => return Ok(()),
    };
    // A new client each time, so that no answer comes from a cache.
    let dns = Dns::new(DnsConfig::new([primary]), Hosts::default());
    if let Some(serial) = serial {
        let found = dns
            .lookup_absolute(reactor, origin.clone(), RecordType::SOA)
            .await?;
        let theirs = found.records.iter().find_map(soa_of);
        let theirs = theirs.ok_or_else(|| Failure::msg("the primary has no SOA record"))?;
        if !is_newer_serial(theirs.serial, serial) {
            if let Some(this) = this.upgrade() {
                this.extend_expiry();
            }
            return Ok(());
        }
    }
    let zone = transfer_zone(reactor, primary, &origin).await?;
    if let Some(this) = this.upgrade() {
        tracing::info!(target: "reactor", %origin, serial = zone.serial(), "a zone was transferred");
        this.zone.replace(Some(zone));
        this.extend_expiry();
    }
    Ok(())
}

fn seconds(given: i32) -> Duration {
    // The field is unsigned in the message. One of 2^31 or more is negative here, and counts as
    // 0.
    let given = Duration::from_secs(given.max(0).unsigned_abs().into());
    given.clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
}

impl Answers for Secondary {
    fn answer(
        &self,
        _: &ReactorHandle,
        _: &DnsRequest,
        mut response: Message,
    ) -> Deferred<Message> {
        match self.zone() {
            Some(zone) => zone.answer_into(&mut response),
            None => response.metadata.response_code = ResponseCode::ServFail,
        }
        deferred::succeed(response)
    }

    fn transfer(&self, request: &DnsRequest) -> Option<Zone> {
        let is_allowed = self.shared.networks.borrow().contains(request.client());
        self.zone().filter(|_| is_allowed)
    }

    fn notified(&self, _: &ReactorHandle, request: &DnsRequest) -> bool {
        let client = request.client().ip();
        let mut primaries = self.shared.primaries.iter();
        let is_primary = primaries.any(|primary| Some(primary.ip().to_canonical()) == client);
        if is_primary {
            self.shared.notified();
        }
        is_primary
    }
}

impl fmt::Debug for Secondary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secondary")
            .field("origin", &self.shared.origin)
            .field("primaries", &self.shared.primaries)
            .field("serial", &self.zone().map(|zone| zone.serial()))
            .finish_non_exhaustive()
    }
}
