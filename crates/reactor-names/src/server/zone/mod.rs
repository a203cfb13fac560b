//! `Zone`: authority for a domain, from the text of a zone file.

mod error;
mod file;
mod lookup;

use std::collections::HashMap;

use deferred::Deferred;
use hickory_proto::op::Message;
use hickory_proto::rr::{LowerName, Name, RData, Record, RecordType};
use hickory_proto::serialize::txt::Parser;
use reactor::ReactorHandle;

pub use self::error::ZoneError;
pub use self::file::ZoneFile;
pub(super) use self::lookup::MAX_ALIASES;
use super::answers::Answers;
use super::request::DnsRequest;

/// The records of a domain, for which a server is the authority. (Twisted: `FileAuthority`,
/// `BindAuthority`.)
///
/// Answers are those of RFC 1034 §4.3.2 and RFC 4592: wildcards, delegations with their
/// addresses, aliases followed inside of the zone, names that exist because there are names below
/// them, and the SOA record with names and types that do not exist. A name outside of the zone is
/// REFUSED. There is no DNSSEC, and a DNAME record is an ordinary record.
///
/// # Examples
///
/// ```
/// use hickory_proto::op::{Message, OpCode, Query, ResponseCode};
/// use hickory_proto::rr::{Name, RecordType};
/// use reactor_names::{Zone, hickory_proto};
///
/// let zone = Zone::parse(
///     "$TTL 300\n\
///      @    IN SOA   ns hostmaster 2024010101 7200 900 1209600 60\n\
///      @    IN NS    ns\n\
///      ns   IN A     192.0.2.1\n\
///      www  IN CNAME web\n\
///      web  IN A     192.0.2.2\n",
///     "example.org.",
/// )?;
/// let ask = |name: &str| {
///     let mut response = Message::response(1, OpCode::Query);
///     let name = Name::from_ascii(name).unwrap();
///     response.add_query(Query::query(name, RecordType::A));
///     zone.answer_into(&mut response);
///     response
/// };
/// assert_eq!(ask("www.example.org.").answers.len(), 2);
/// assert_eq!(ask("none.example.org.").metadata.response_code, ResponseCode::NXDomain);
/// assert_eq!(ask("example.com.").metadata.response_code, ResponseCode::Refused);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Zone {
    origin: Name,
    /// Each name of the zone, and each between them and the origin, which may have no records.
    nodes: HashMap<LowerName, Node>,
    /// The SOA record as it comes with what does not exist: with the shorter TTL of RFC 2308.
    negative_soa: Record,
}

/// The records of a name.
#[derive(Clone, Debug, Default)]
struct Node {
    sets: Vec<(RecordType, Vec<Record>)>,
}

impl Node {
    fn records(&self, record_type: RecordType) -> &[Record] {
        let set = self.sets.iter().find(|(of, _)| *of == record_type);
        set.map_or(&[], |(_, records)| records)
    }
}

impl Zone {
    /// Reads the text of a zone file. Names that do not end with a dot are below `origin`.
    ///
    /// `$INCLUDE` is followed for absolute paths only.
    ///
    /// # Errors
    ///
    /// [`ZoneError`] says what is wrong with the text.
    pub fn parse(text: &str, origin: &str) -> Result<Self, ZoneError> {
        let mut name = Name::from_ascii(origin).map_err(|_| ZoneError::Origin(origin.into()))?;
        name.set_fqdn(true);
        let parser = Parser::new(text, None, Some(name.clone()));
        let (_, sets) = parser
            .parse()
            .map_err(|error| ZoneError::Syntax(error.to_string()))?;
        let sets = sets.into_values().map(|set| {
            let records = set.records_without_rrsigs().cloned().collect();
            (set.name().clone(), set.record_type(), records)
        });
        Self::from_sets(name, sets)
    }

    fn from_sets(
        origin: Name,
        sets: impl Iterator<Item = (Name, RecordType, Vec<Record>)>,
    ) -> Result<Self, ZoneError> {
        let mut nodes = HashMap::<LowerName, Node>::new();
        let depth = origin.iter().len();
        for (name, record_type, records) in sets {
            if !origin.zone_of(&name) {
                return Err(ZoneError::Outside(name.to_string()));
            }
            for labels in depth..name.iter().len() {
                nodes.entry(name.trim_to(labels).into()).or_default();
            }
            let node = nodes.entry(LowerName::new(&name)).or_default();
            let has_alias =
                record_type == RecordType::CNAME || !node.records(RecordType::CNAME).is_empty();
            if has_alias && !node.sets.is_empty() {
                return Err(ZoneError::AliasBesideData(name.to_string()));
            }
            node.sets.push((record_type, records));
        }
        let soa = nodes
            .get(&LowerName::new(&origin))
            .and_then(|apex| apex.records(RecordType::SOA).first());
        let Some(mut negative_soa) = soa.cloned() else {
            return Err(ZoneError::NoSoa(origin.to_string()));
        };
        if let RData::SOA(soa) = &negative_soa.data {
            negative_soa.ttl = negative_soa.ttl.min(soa.minimum);
        }
        Ok(Self {
            origin,
            nodes,
            negative_soa,
        })
    }

    /// The name of the zone.
    pub fn origin(&self) -> &Name {
        &self.origin
    }
}

impl Answers for Zone {
    fn answer(
        &self,
        _: &ReactorHandle,
        _: &DnsRequest,
        mut response: Message,
    ) -> Deferred<Message> {
        self.answer_into(&mut response);
        deferred::succeed(response)
    }
}
