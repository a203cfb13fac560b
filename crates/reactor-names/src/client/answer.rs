//! What a message answers: records of the name that was asked for and of its aliases, no others.

use std::time::Duration;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::question::Key;
use crate::error::LookupErrorKind;

/// Most aliases from the name to its records.
pub(super) const MAX_ALIASES: usize = 16;
/// No answer is taken to hold for longer, whatever its TTL.
const MAX_TTL: u32 = 86_400;
/// As RFC 2308 recommends.
const MAX_NEGATIVE_TTL: u32 = 10_800;

/// What servers say about a question.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) content: Content,
    /// How long it holds.
    pub(super) ttl: Duration,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    /// Records of the last of the names, and the aliases on the way there.
    Records {
        aliases: Vec<Record>,
        records: Vec<Record>,
    },
    /// Only the aliases; the last one's target must be asked for.
    Alias { aliases: Vec<Record>, target: Name },
    /// Nothing, at the end of the aliases. The SOA record, if there is one, says for how long.
    None {
        kind: LookupErrorKind,
        aliases: Vec<Record>,
        soa: Option<Box<Record>>,
    },
}

/// What `message` answers to the question. Errs if it answers nothing, and another server should be
/// asked.
pub(super) fn interpret(key: &Key, message: &Message) -> Result<Answer, LookupErrorKind> {
    let code = message.response_code;
    match code {
        ResponseCode::NoError | ResponseCode::NXDomain => {}
        ResponseCode::Refused => return Err(LookupErrorKind::Refused),
        _ => return Err(LookupErrorKind::ServerFailed),
    }
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
    let soa = negative_soa(message, &name);
    match (code, soa) {
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
        // A referral: the server is not one that resolves.
        _ if is_referral(message) => Err(LookupErrorKind::ServerFailed),
        _ => Ok(none(LookupErrorKind::NoRecords, aliases, None)),
    }
}

fn records_of<'m>(message: &'m Message, name: &Name) -> impl Iterator<Item = &'m Record> {
    let of_name = |record: &&Record| record.name == *name && record.dns_class == DNSClass::IN;
    message.answers.iter().filter(of_name)
}

fn target(record: &Record) -> Option<(&Record, &Name)> {
    match &record.data {
        RData::CNAME(target) => Some((record, &target.0)),
        _ => None,
    }
}

fn is_referral(message: &Message) -> bool {
    let is_ns = |record: &Record| record.record_type() == RecordType::NS;
    !message.authoritative && message.authorities.iter().any(is_ns)
}

/// The SOA record of the zone, with how long it holds that there are no records as its TTL (RFC
/// 2308).
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

/// Without an SOA record, it is not kept.
fn none(kind: LookupErrorKind, aliases: Vec<Record>, soa: Option<Box<Record>>) -> Answer {
    let ttl = match &soa {
        Some(soa) => shortest_ttl(&[&aliases]).min(Duration::from_secs(soa.ttl.into())),
        None => Duration::ZERO,
    };
    let content = Content::None { kind, aliases, soa };
    Answer { content, ttl }
}

fn shortest_ttl(records: &[&[Record]]) -> Duration {
    let shortest = records
        .iter()
        .copied()
        .flatten()
        .map(|record| sane(record.ttl))
        .min();
    Duration::from_secs(shortest.unwrap_or(MAX_TTL).into())
}

/// RFC 2181: a TTL with the highest bit set is 0.
fn sane(ttl: u32) -> u32 {
    if ttl > i32::MAX as u32 {
        0
    } else {
        ttl.min(MAX_TTL)
    }
}
