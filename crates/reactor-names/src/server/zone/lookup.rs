//! The algorithm of RFC 1034 §4.3.2, with the wildcards of RFC 4592.

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::{Data, Node, Zone};

/// Most aliases that are followed for one question.
pub(in crate::server) const MAX_ALIASES: usize = 16;

impl Zone {
    /// Answers the question of `response` by adding records to it. It does nothing without a
    /// question.
    pub fn answer_into(&self, response: &mut Message) {
        self.data.answer_into(response);
    }
}

impl Data {
    fn answer_into(&self, response: &mut Message) {
        let Some(question) = response.queries.first() else {
            return;
        };
        let (mut name, query_type) = (question.name().clone(), question.query_type());
        if !self.origin.zone_of(&name) {
            response.metadata.response_code = ResponseCode::Refused;
            return;
        }
        // Also with NXDOMAIN below; `step` clears it for a delegation.
        response.metadata.authoritative = true;
        while let Some(target) = self.step(&name, query_type, response) {
            // A chain of aliases ends here if it comes back to a name, is too long, or leaves the
            // zone.
            let was_seen = response.answers.iter().any(|record| record.name == target);
            let is_full = response.answers.len() >= MAX_ALIASES;
            if was_seen || is_full || !self.origin.zone_of(&target) {
                return;
            }
            name = target;
        }
    }

    /// Adds what the zone has for `name`. If that is an alias, it gives the name to go on with.
    fn step(&self, name: &Name, query_type: RecordType, response: &mut Message) -> Option<Name> {
        let exact = self.node(name);
        // A name that does not exist may be below a delegation, so there the names above it are
        // looked at.
        let is_delegated = self.has_cuts && exact.is_none_or(|node| node.is_cut_off);
        if is_delegated && let Some(delegation) = self.delegation(name, query_type) {
            // This server is the authority for the aliases so far, and another one for the
            // delegated name.
            response.metadata.authoritative = !response.answers.is_empty();
            self.refer(delegation, response);
            return None;
        }
        let Some(node) = exact.or_else(|| self.wildcard(name)) else {
            response.metadata.response_code = ResponseCode::NXDomain;
            response.add_authority(self.negative_soa.clone());
            return None;
        };
        let is_any = query_type == RecordType::ANY;
        if let [alias, ..] = self.records(node, RecordType::CNAME)
            && query_type != RecordType::CNAME
            && !is_any
        {
            response.add_answer(owned_by(name, alias));
            return match &alias.data {
                RData::CNAME(target) => Some(target.0.clone()),
                _ => None,
            };
        }
        let sets = node.sets.iter();
        let found = sets.filter(|(of, _)| is_any || *of == query_type);
        let ranges = found.map(|(_, range)| range.clone());
        let records: Vec<_> = ranges.flat_map(|range| &self.records[range]).collect();
        // The name exists, so this is not an NXDOMAIN; the SOA record says for how long the
        // answer holds (RFC 2308, section 2.2).
        if records.is_empty() {
            response.add_authority(self.negative_soa.clone());
            return None;
        }
        for record in records {
            response.add_answer(owned_by(name, record));
            self.add_addresses(record, response);
        }
        None
    }

    fn node(&self, name: &Name) -> Option<&Node> {
        self.nodes.get(name)
    }

    /// The NS records of the highest delegated name on the way from the origin to `name`.
    fn delegation(&self, name: &Name, query_type: RecordType) -> Option<&[Record]> {
        let labels = name.iter().len();
        // The DS record of a delegation is on this side of it.
        let last = labels - usize::from(query_type == RecordType::DS && labels > 0);
        for labels in self.origin.iter().len() + 1..=last {
            // Below a name that does not exist there is nothing.
            let node = self.node(&name.trim_to(labels))?;
            let servers = self.records(node, RecordType::NS);
            if !servers.is_empty() {
                return Some(servers);
            }
        }
        None
    }

    fn refer(&self, servers: &[Record], response: &mut Message) {
        for server in servers {
            response.add_authority(server.clone());
            self.add_addresses(server, response);
        }
    }

    /// The node `*` below the closest name above `name` that exists.
    fn wildcard(&self, name: &Name) -> Option<&Node> {
        let above = (0..name.iter().len()).rev();
        let closest = above
            .map(|labels| name.trim_to(labels))
            .find(|name| self.node(name).is_some())?;
        // The longest name has no room for a `*` below it.
        self.node(&closest.prepend_label("*").ok()?)
    }

    /// Adds the addresses of the host that `record` names, if the zone has them: as glue, or to
    /// save the client a question.
    fn add_addresses(&self, record: &Record, response: &mut Message) {
        let host = match &record.data {
            RData::NS(server) => &server.0,
            RData::MX(mx) => &mx.exchange,
            RData::SRV(srv) => &srv.target,
            _ => return,
        };
        let Some(node) = self.node(host) else { return };
        let is_there = |record: &Record| record.name == *host;
        // Several records may name one host.
        if response.additionals.iter().any(is_there) {
            return;
        }
        for record_type in [RecordType::A, RecordType::AAAA] {
            let addresses = self.records(node, record_type);
            response.add_additionals(addresses.iter().cloned());
        }
    }
}

/// `record` with the name that was asked for: in its case, and instead of that of a wildcard.
fn owned_by(name: &Name, record: &Record) -> Record {
    let mut record = record.clone();
    record.name.clone_from(name);
    record
}
