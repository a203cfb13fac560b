//! `interpret`: turns the message of a server into an [`Answer`]. It takes records of the name that
//! was asked for and of its aliases, and no others, so that a server cannot put records of other
//! names into the cache.

use std::time::Duration;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::question::Key;
use crate::error::LookupErrorKind;

/// Most aliases (CNAME records) between the name and its records. A circle of aliases ends here,
/// too.
pub(super) const MAX_ALIASES: usize = 16;
/// Most seconds for which an answer is kept, whatever its TTL.
const MAX_TTL: u32 = 86_400;
/// Most seconds for which a negative answer is kept: three hours, the upper end of what RFC 2308
/// (section 5) recommends.
const MAX_NEGATIVE_TTL: u32 = 10_800;

/// The answer to a question, as far as one message has it.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) content: Content,
    /// How long it may be kept: the shortest TTL of its records. Zero if it must not be kept.
    pub(super) ttl: Duration,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    /// Records of the name, or of the target of its last alias; and the aliases on the way there,
    /// in order.
    Records {
        aliases: Vec<Record>,
        records: Vec<Record>,
    },
    /// Aliases without the records of the last one's target, which the caller must ask for next.
    Alias { aliases: Vec<Record>, target: Name },
    /// No records for the name, or for the target of its last alias. The TTL of the SOA record says
    /// how long that may be kept (see [`negative_soa`]); without one, it is not kept.
    None {
        kind: LookupErrorKind,
        aliases: Vec<Record>,
        soa: Option<Box<Record>>,
    },
}

/// The answer of `message` to the question `key`.
///
/// # Errors
///
/// The server has refused, has failed, or refers to other servers: the caller should ask another
/// one.
pub(super) fn interpret(key: &Key, message: &Message) -> Result<Answer, LookupErrorKind> {
    let code = message.response_code;
    match code {
        // Both may come with aliases: NXDOMAIN is then about the target (RFC 6604, section 3).
        ResponseCode::NoError | ResponseCode::NXDomain => {}
        ResponseCode::Refused => return Err(LookupErrorKind::Refused),
        _ => return Err(LookupErrorKind::ServerFailed),
    }
    // Follows the aliases within the message, until one has records or there are no more.
    let (mut name, record_type) = key.clone();
    let mut aliases = Vec::new();
    loop {
        let records: Vec<_> = records_of(message, &name)
            .filter(|record| record_type == RecordType::ANY || record.record_type() == record_type)
            .cloned()
            .collect();
        if !records.is_empty() {
            let ttl = shortest_ttl(&[&aliases, &records]);
            let content = Content::Records { aliases, records };
            return Ok(Answer { content, ttl });
        }
        // After the records, since a question for CNAME records, or for all types, is answered
        // by them.
        let alias = records_of(message, &name).find_map(target);
        let Some((alias, target)) = alias else {
            break;
        };
        if aliases.len() == MAX_ALIASES {
            return Ok(none(LookupErrorKind::TooManyAliases, aliases, None));
        }
        aliases.push(alias.clone());
        name = target.clone();
    }
    // There are no records of `name`, the end of the aliases, in this message. That may be because
    // there are none, which NXDOMAIN or an SOA record says, or because the server has left them
    // out.
    let soa = negative_soa(message, &name);
    match (code, soa) {
        // The code is about the last name (RFC 2308, section 2.1), also behind aliases.
        (ResponseCode::NXDomain, soa) => Ok(none(LookupErrorKind::NoSuchName, aliases, soa)),
        (_, Some(soa)) => Ok(none(LookupErrorKind::NoRecords, aliases, Some(soa))),
        _ if !aliases.is_empty() => {
            let ttl = shortest_ttl(&[&aliases]);
            let content = Content::Alias {
                aliases,
                target: name,
            };
            Ok(Answer { content, ttl })
        }
        // The server refers to other servers, instead of asking them: it is not a resolver.
        _ if is_referral(message) => Err(LookupErrorKind::ServerFailed),
        _ => Ok(none(LookupErrorKind::NoRecords, aliases, None)),
    }
}

/// The answers of the message for `name`. The class is checked because a decoder takes any.
fn records_of<'m>(message: &'m Message, name: &Name) -> impl Iterator<Item = &'m Record> {
    let of_name = |record: &&Record| record.name == *name && record.dns_class == DNSClass::IN;
    message.answers.iter().filter(of_name)
}

/// The record, with its target, if it is an alias.
fn target(record: &Record) -> Option<(&Record, &Name)> {
    match &record.data {
        RData::CNAME(target) => Some((record, &target.0)),
        _ => None,
    }
}

/// Whether the message refers to the name servers of a zone. A server that answers for its own zone
/// may name them, too, but is authoritative.
fn is_referral(message: &Message) -> bool {
    let is_ns = |record: &Record| record.record_type() == RecordType::NS;
    !message.authoritative && message.authorities.iter().any(is_ns)
}

/// The SOA record of the zone of `name`. Its TTL is set to the seconds for which it may be kept
/// that there are no records: the smaller of its TTL and its field MINIMUM (RFC 2308), and not more
/// than [`MAX_NEGATIVE_TTL`].
fn negative_soa(message: &Message, name: &Name) -> Option<Box<Record>> {
    message
        .authorities
        .iter()
        .find_map(|record| match &record.data {
            RData::SOA(soa) if record.name.zone_of(name) => {
                let ttl = sane(record.ttl).min(soa.minimum).min(MAX_NEGATIVE_TTL);
                let mut record = Box::new(record.clone());
                record.ttl = ttl;
                Some(record)
            }
            _ => None,
        })
}

/// The answer that there are no records. Without an SOA record, it is not kept: nothing says for
/// how long it holds.
fn none(kind: LookupErrorKind, aliases: Vec<Record>, soa: Option<Box<Record>>) -> Answer {
    let ttl = match &soa {
        Some(soa) => shortest_ttl(&[&aliases]).min(Duration::from_secs(soa.ttl.into())),
        None => Duration::ZERO,
    };
    let content = Content::None { kind, aliases, soa };
    Answer { content, ttl }
}

/// The shortest TTL of all these records; [`MAX_TTL`] if there are none, so that an SOA record
/// alone decides in [`none`].
fn shortest_ttl(records: &[&[Record]]) -> Duration {
    let shortest = records
        .iter()
        .copied()
        .flatten()
        .map(|record| sane(record.ttl))
        .min();
    Duration::from_secs(shortest.unwrap_or(MAX_TTL).into())
}

/// The TTL, at most [`MAX_TTL`]. One with the highest bit set counts as 0 (RFC 2181, section 8).
fn sane(ttl: u32) -> u32 {
    if ttl > i32::MAX as u32 {
        0
    } else {
        ttl.min(MAX_TTL)
    }
}
