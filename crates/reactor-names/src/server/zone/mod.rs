//! `Zone`: authority for a domain, from the text of a zone file.

mod error;
mod file;
mod lookup;

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use hickory_proto::rr::rdata::SOA;
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use hickory_proto::serialize::txt::Parser;

pub use self::error::ZoneError;
pub use self::file::ZoneFile;
pub(super) use self::lookup::MAX_ALIASES;

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
///
/// A clone shares the records, also with other threads.
#[derive(Clone, Debug)]
pub struct Zone {
    data: Arc<Data>,
}

#[derive(Debug)]
struct Data {
    origin: Name,
    /// The records of a name and type are adjacent; the SOA record of the zone is the first.
    records: Vec<Record>,
    /// Each name of the zone, and each between them and the origin, which may have no records.
    nodes: HashMap<Name, Node>,
    /// Whether a name of the zone is delegated.
    has_cuts: bool,
    /// The SOA record for negative answers, with the shorter TTL of RFC 2308.
    negative_soa: Record,
}

/// The records of a name: for each type, their range in `Data::records`.
#[derive(Debug, Default)]
struct Node {
    sets: Vec<(RecordType, Range<usize>)>,
    /// The name is delegated, or below one that is.
    is_cut_off: bool,
}

impl Node {
    fn range(&self, record_type: RecordType) -> Option<Range<usize>> {
        let set = self.sets.iter().find(|(of, _)| *of == record_type);
        set.map(|(_, range)| range.clone())
    }
}

impl Data {
    fn records(&self, node: &Node, record_type: RecordType) -> &[Record] {
        node.range(record_type)
            .map_or(&[], |range| &self.records[range])
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
        let records = sets.values().flat_map(|set| set.records_without_rrsigs());
        Self::from_records(name, records.cloned())
    }

    /// The zone `origin` of these records, in any order.
    ///
    /// # Errors
    ///
    /// [`ZoneError`] says what is wrong with them.
    pub fn from_records(
        mut origin: Name,
        records: impl IntoIterator<Item = Record>,
    ) -> Result<Self, ZoneError> {
        origin.set_fqdn(true);
        let mut records: Vec<_> = records.into_iter().collect();
        for record in &mut records {
            record.name.set_fqdn(true);
        }
        // The SOA record comes first; the records of a set are adjacent.
        records.sort_by(|a, b| rank(a).cmp(&rank(b)));
        remove_duplicates(&mut records);

        let mut nodes = HashMap::<Name, Node>::new();
        for (position, record) in records.iter().enumerate() {
            if !origin.zone_of(&record.name) || record.dns_class != DNSClass::IN {
                return Err(ZoneError::Outside(record.name.to_string()));
            }
            add(&mut nodes, &origin, position, record);
        }
        for (name, node) in &nodes {
            let aliases = node.range(RecordType::CNAME).map_or(0, |range| range.len());
            // RFC 1034, section 3.6.2: an alias stands alone, or its other records would contradict
            // those of its target.
            if aliases > 1 || aliases == 1 && node.sets.len() > 1 {
                return Err(ZoneError::AliasBesideData(name.to_string()));
            }
        }
        let soa = records.first().filter(|record| record.name == origin);
        let Some(mut negative_soa) = soa.cloned() else {
            return Err(ZoneError::NoSoa(origin.to_string()));
        };
        match &negative_soa.data {
            RData::SOA(soa) => negative_soa.ttl = negative_soa.ttl.min(soa.minimum),
            _ => return Err(ZoneError::NoSoa(origin.to_string())),
        }
        // Several SOA records would be adjacent. In a transfer, the second would mark the end.
        let second = records.get(1).filter(|record| record.name == origin);
        if second.is_some_and(|record| record.record_type() == RecordType::SOA) {
            return Err(ZoneError::SeveralSoas(origin.to_string()));
        }
        let has_cuts = mark_cuts(&mut nodes, &origin);
        let data = Data {
            origin,
            records,
            nodes,
            has_cuts,
            negative_soa,
        };
        Ok(Self {
            data: Arc::new(data),
        })
    }

    /// The name of the zone.
    pub fn origin(&self) -> &Name {
        &self.data.origin
    }

    /// All records. The first is the SOA record of the zone.
    pub fn records(&self) -> &[Record] {
        &self.data.records
    }

    /// The SOA record of the zone.
    pub fn soa(&self) -> &Record {
        // `from_records` refuses records without one.
        &self.data.records[0]
    }

    /// The version of the zone, from its SOA record.
    pub fn serial(&self) -> u32 {
        self.soa_data().map_or(0, |soa| soa.serial)
    }

    pub(super) fn soa_data(&self) -> Option<&SOA> {
        soa_of(self.soa())
    }
}

pub(super) fn soa_of(record: &Record) -> Option<&SOA> {
    match &record.data {
        RData::SOA(soa) => Some(soa),
        _ => None,
    }
}

fn rank(record: &Record) -> (bool, RecordType, &Name) {
    let record_type = record.record_type();
    (record_type != RecordType::SOA, record_type, &record.name)
}

/// No set has two equal records (RFC 2181, section 5).
fn remove_duplicates(records: &mut Vec<Record>) {
    let mut seen = HashSet::new();
    let keys = records.iter().map(|record| (&record.name, &record.data));
    let are_new: Vec<_> = keys.map(|key| seen.insert(key)).collect();
    let mut are_new = are_new.into_iter();
    // `are_new` has one item for each record, so the default is not used.
    records.retain(|_| are_new.next().unwrap_or(true));
}

/// Adds the name of a record, and those between it and the origin.
fn add(nodes: &mut HashMap<Name, Node>, origin: &Name, position: usize, record: &Record) {
    let node = nodes.entry(record.name.clone()).or_default();
    // A name with a set has added those above it already, with its first record.
    let is_new = node.sets.is_empty();
    match node.sets.last_mut() {
        // The records are sorted, so those of a set follow one another.
        Some((of, range)) if *of == record.record_type() => range.end = position + 1,
        _ => node
            .sets
            .push((record.record_type(), position..position + 1)),
    }
    if is_new {
        // Empty non-terminals: a name exists if there is one below it (RFC 4592, section 2.2.2).
        for labels in origin.iter().len()..record.name.iter().len() {
            nodes.entry(record.name.trim_to(labels)).or_default();
        }
    }
}

/// Marks the names that are delegated, and those below them. Returns whether there are any.
fn mark_cuts(nodes: &mut HashMap<Name, Node>, origin: &Name) -> bool {
    let is_cut =
        |(name, node): &(&Name, &Node)| node.range(RecordType::NS).is_some() && *name != origin;
    let cuts: HashSet<_> = nodes
        .iter()
        .filter(is_cut)
        .map(|(name, _)| name.clone())
        .collect();
    if cuts.is_empty() {
        return false;
    }
    for (name, node) in nodes {
        let mut above = (origin.iter().len() + 1..=name.iter().len()).map(|n| name.trim_to(n));
        // Found here once for each name, so that a question looks for a delegation only if there is
        // one.
        node.is_cut_off = above.any(|name| cuts.contains(&name));
    }
    true
}
