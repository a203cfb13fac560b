//! `Zones`: several zones on one server.

use std::fmt;

use deferred::Deferred;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::Name;
use reactor::ReactorHandle;

use super::answers::Answers;

/// Several zones: a question is answered by the one that is closest above its name, and REFUSED if
/// there is none.
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
#[derive(Default)]
pub struct Zones {
    /// Those with more labels come first.
    zones: Vec<(Name, Box<dyn Answers>)>,
}

impl Zones {
    /// No zones.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what answers for `origin` and the names below it. It takes the place of what was added
    /// for `origin` before.
    pub fn add(&mut self, origin: Name, answers: impl Answers) {
        self.zones.retain(|(other, _)| *other != origin);
        let labels = origin.iter().len();
        let at = self
            .zones
            .partition_point(|(other, _)| other.iter().len() > labels);
        self.zones.insert(at, (origin, Box::new(answers)));
    }
}

impl Answers for Zones {
    fn answer(
        &self,
        reactor: &ReactorHandle,
        query: &Message,
        mut response: Message,
    ) -> Deferred<Message> {
        let name = query.queries.first().map(|question| question.name());
        let closest = |name| self.zones.iter().find(|(origin, _)| origin.zone_of(name));
        if let Some((_, answers)) = name.and_then(closest) {
            return answers.answer(reactor, query, response);
        }
        response.metadata.response_code = ResponseCode::Refused;
        deferred::succeed(response)
    }
}

impl fmt::Debug for Zones {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origins = self.zones.iter().map(|(origin, _)| origin.to_string());
        f.debug_list().entries(origins).finish()
    }
}
