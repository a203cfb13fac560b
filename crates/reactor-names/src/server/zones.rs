//! `Zones`: several zones on one server.

use std::fmt;
use std::rc::Rc;

use deferred::{Deferred, Result, inline_callbacks};
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use reactor::ReactorHandle;

use super::answers::Answers;
use super::request::DnsRequest;
use super::respond::begin;
use super::zone::{MAX_ALIASES, Zone};

/// Several zones: a question is answered by the one that is closest above its name, and REFUSED if
/// there is none.
///
/// The answers that are added for the root ([`Name::root`]), such as a
/// [`Forwarder`](crate::Forwarder), are for all other names. If the client asks for recursion, an
/// alias that leads from one zone to another is followed, so that the client gets the whole answer.
/// A delegation is not followed: add a `Forwarder` for its name.
///
/// # Examples
///
/// ```
/// use hickory_proto::rr::Name;
/// use reactor_names::{Zone, Zones, hickory_proto};
///
/// # let text = "@ 60 IN SOA ns hostmaster 1 3600 600 86400 60\n";
/// let mut zones = Zones::new();
/// for origin in ["example.org.", "lab.example.org."] {
///     let zone = Zone::parse(text, origin)?;
///     zones.add(zone.origin().clone(), zone);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct Zones {
    /// Origins with more labels come first.
    zones: Rc<Vec<(Name, Rc<dyn Answers>)>>,
}

impl Zones {
    /// No zones.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the answers for `origin` and the names below it. They replace those that were added
    /// for `origin` before.
    pub fn add(&mut self, mut origin: Name, answers: impl Answers) {
        origin.set_fqdn(true);
        let zones = Rc::make_mut(&mut self.zones);
        zones.retain(|(other, _)| *other != origin);
        let labels = origin.iter().len();
        // So the first zone that a name is in is the closest one.
        let at = zones.partition_point(|(other, _)| other.iter().len() > labels);
        zones.insert(at, (origin, Rc::new(answers)));
    }

    fn closest(&self, question: &Query) -> Option<Rc<dyn Answers>> {
        let name = question.name();
        let mut above = self.zones.iter().filter(|(origin, _)| origin.zone_of(name));
        let closest = above.next()?;
        // The DS record of a zone is in the zone above it.
        let is_above = question.query_type() == RecordType::DS && closest.0 == *name;
        let (_, answers) = above.next().filter(|_| is_above).unwrap_or(closest);
        Some(Rc::clone(answers))
    }

    /// Asks for the target of the alias at which `response` ends, and so on.
    async fn follow(
        self,
        reactor: ReactorHandle,
        request: DnsRequest,
        mut response: Message,
    ) -> Result<Message> {
        for _ in 0..MAX_ALIASES {
            let Some(target) = open_alias(&response) else {
                break;
            };
            let next = request.about(target.clone());
            let Some(answers) = self.closest(next.question()) else {
                break;
            };
            let begun = begin(next.message());
            let found = answers.answer(&reactor, &next, begun).await?;
            // The client gets the alias: it can ask another server for the target.
            if found.metadata.response_code == ResponseCode::Refused {
                break;
            }
            response.metadata.response_code = found.metadata.response_code;
            response.metadata.recursion_available |= found.metadata.recursion_available;
            let is_end = found.answers.is_empty();
            response.add_answers(found.answers);
            response.add_authorities(found.authorities);
            response.add_additionals(found.additionals);
            // The response ends at the same alias as before, which would be asked for again.
            if is_end {
                break;
            }
        }
        Ok(response)
    }
}

/// The target of the alias at which a response ends without an answer: it is in another zone.
fn open_alias(response: &Message) -> Option<&Name> {
    let asked = response.queries.first()?.query_type();
    let is_answered = matches!(asked, RecordType::CNAME | RecordType::ANY)
        || response.metadata.response_code != ResponseCode::NoError
        || !response.authorities.is_empty();
    let RData::CNAME(target) = &response.answers.last()?.data else {
        return None;
    };
    let was_seen = response
        .answers
        .iter()
        .any(|record| record.name == target.0);
    (!is_answered && !was_seen).then_some(&target.0)
}

impl Answers for Zones {
    fn answer(
        &self,
        reactor: &ReactorHandle,
        request: &DnsRequest,
        mut response: Message,
    ) -> Deferred<Message> {
        let Some(answers) = self.closest(request.question()) else {
            response.metadata.response_code = ResponseCode::Refused;
            return deferred::succeed(response);
        };
        let answered = answers.answer(reactor, request, response);
        // A resolver follows aliases itself, and trusts a server only for that server's own zones.
        if !request.message().metadata.recursion_desired {
            return answered;
        }
        let answered = match answered.into_result() {
            Ok(Ok(response)) if open_alias(&response).is_none() => {
                return deferred::succeed(response);
            }
            Ok(result) => Deferred::from(result),
            Err(pending) => pending,
        };
        let (zones, reactor, request) = (self.clone(), reactor.clone(), request.clone());
        answered.add_callback(move |response| {
            inline_callbacks(zones.follow(reactor, request, response))
        })
    }

    fn transfer(&self, request: &DnsRequest) -> Option<Zone> {
        self.closest(request.question())?.transfer(request)
    }

    fn notified(&self, reactor: &ReactorHandle, request: &DnsRequest) -> bool {
        let answers = self.closest(request.question());
        answers.is_some_and(|answers| answers.notified(reactor, request))
    }
}

impl fmt::Debug for Zones {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origins = self.zones.iter().map(|(origin, _)| origin.to_string());
        f.debug_list().entries(origins).finish()
    }
}
