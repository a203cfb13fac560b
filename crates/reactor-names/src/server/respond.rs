//! From the bytes of a query to those of its response, over UDP or TCP.

use deferred::{Cancelled, Deferred, Result};
use hickory_proto::op::{Edns, Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::{DNSClass, RecordType};
use reactor::{Address, ReactorHandle};

use super::answers::Answers;
use super::request::{DnsRequest, Transport};
use super::transfer::{Transfer, is_newer_serial};
use super::zone::{Zone, soa_of};
use crate::message::{MessageError, decode_message, encode_message};

/// The largest response over UDP, whatever size the client accepts: such a datagram passes
/// every network without fragmentation.
const MAX_UDP_SIZE: u16 = 1232;
/// The largest response over UDP for a client that does not know EDNS, by RFC 1035.
const PLAIN_UDP_SIZE: u16 = 512;
const HEADER: usize = 12;

/// The reply to a message.
pub(super) enum Reply {
    /// Nothing.
    None,
    Message(Deferred<Vec<u8>>),
    /// Many messages, over TCP.
    Transfer(Transfer),
}

/// The reply to the message `bytes`. There is none to bytes that are shorter than a header, and
/// none to responses, because two servers would answer each other forever.
pub(super) fn respond(
    answers: &dyn Answers,
    reactor: &ReactorHandle,
    bytes: &[u8],
    client: Address,
    transport: Transport,
) -> Reply {
    let Some(header) = bytes.first_chunk::<HEADER>() else {
        return Reply::None;
    };
    // QR, the bit of a response.
    if header[2] & 0x80 != 0 {
        return Reply::None;
    }
    let Ok(query) = decode_message(bytes) else {
        return at_once(Ok(malformed(header)));
    };
    // Before the checks: also a refusal has the id, the question and the flags of the query.
    let response = begin(&query);
    if let Some(code) = refusal(&query, transport) {
        return at_once(encode(&query, with_code(response, code), transport));
    }
    let Some(request) = DnsRequest::over(query, client, transport) else {
        return Reply::None;
    };
    if request.message().metadata.op_code == OpCode::Notify {
        let answer = deferred::maybe_deferred(|| {
            let is_secondary = answers.notified(reactor, &request);
            Ok(notified(response, is_secondary))
        });
        return Reply::Message(finally(request, answer));
    }
    if matches!(
        request.question().query_type(),
        RecordType::AXFR | RecordType::IXFR
    ) {
        return transfer(answers, request, response);
    }
    let answer = deferred::maybe_deferred(|| answers.answer(reactor, &request, response));
    Reply::Message(finally(request, answer))
}

fn at_once(encoded: Result<Vec<u8>>) -> Reply {
    Reply::Message(encoded.into())
}

/// A failed answer becomes SERVFAIL.
fn finally(request: DnsRequest, answer: Deferred<Message>) -> Deferred<Vec<u8>> {
    answer.add_both(move |answer| {
        let response = answer.unwrap_or_else(|failure| {
            // Cancelled: the client has closed its connection.
            if !failure.is::<Cancelled>() {
                let question = request.question();
                tracing::warn!(%failure, %question, "no answer to a DNS question");
            }
            with_code(begin(request.message()), ResponseCode::ServFail)
        });
        encode(request.message(), response, request.transport())
    })
}

fn notified(mut response: Message, is_secondary: bool) -> Message {
    response.metadata.authoritative = is_secondary;
    match is_secondary {
        true => response,
        false => with_code(response, ResponseCode::Refused),
    }
}

fn transfer(answers: &dyn Answers, request: DnsRequest, mut response: Message) -> Reply {
    let found = deferred::maybe_deferred(|| Ok(answers.transfer(&request)));
    let zone = match found.into_result() {
        Ok(Ok(zone)) => zone,
        Ok(Err(failure)) => {
            return Reply::Message(finally(request, deferred::fail(failure)));
        }
        // Never: the closure has its result at once. `maybe_deferred` is there for the panics of
        // `transfer`.
        Err(_) => None,
    };
    let refused = |response, code| {
        let response = with_code(response, code);
        at_once(encode(request.message(), response, request.transport()))
    };
    let Some(zone) = zone else {
        return refused(response, ResponseCode::Refused);
    };
    if zone.origin() != request.question().name() {
        return refused(response, ResponseCode::NotAuth);
    }
    // The answer to an incremental transfer is the SOA record alone if the client is up to date, or
    // if the question came over UDP.
    let is_incremental = request.question().query_type() == RecordType::IXFR;
    if is_incremental && (!request.is_over_tcp() || !is_newer(&zone, request.message())) {
        response.metadata.authoritative = true;
        response.add_answer(zone.soa().clone());
        return at_once(encode(request.message(), response, request.transport()));
    }
    Reply::Transfer(Transfer::new(zone, response))
}

/// Whether `zone` is newer than the version of the client, which asks for an incremental transfer.
fn is_newer(zone: &Zone, query: &Message) -> bool {
    let theirs = query.authorities.first().and_then(soa_of);
    theirs.is_none_or(|soa| is_newer_serial(zone.serial(), soa.serial))
}

/// The response that only says that the client should ask over TCP. `None` if `bytes` are not a
/// question.
pub(super) fn truncated(bytes: &[u8]) -> Option<Vec<u8>> {
    // As in `respond`: a response to a response could go on forever.
    let is_response = bytes.get(2)? & 0x80 != 0;
    let query = decode_message(bytes).ok().filter(|_| !is_response)?;
    let mut response = begin(&query);
    response.metadata.truncation = true;
    finish(&query, response, Transport::Udp).ok()
}

/// FORMERR for a message that could not be decoded, of which only the header is known.
fn malformed(header: &[u8; HEADER]) -> Vec<u8> {
    let mut response = vec![0; HEADER];
    response[..2].copy_from_slice(&header[..2]);
    // A response, with the operation and "recursion desired" of the query.
    response[2] = 0x80 | header[2] & 0x79;
    response[3] = 1;
    response
}

/// The code with which a query is refused without asking the answers; `None` if it is not refused.
fn refusal(query: &Message, transport: Transport) -> Option<ResponseCode> {
    // First, as RFC 6891 (section 6.1.3) has it: in another version, the rest of the message may
    // have another meaning.
    if query.edns.as_ref().is_some_and(|edns| edns.version() > 0) {
        return Some(ResponseCode::BADVERS);
    }
    let is_notify = query.metadata.op_code == OpCode::Notify;
    if query.metadata.op_code != OpCode::Query && !is_notify {
        return Some(ResponseCode::NotImp);
    }
    let [question] = &query.queries[..] else {
        return Some(ResponseCode::FormErr);
    };
    match question.query_type() {
        RecordType::OPT => return Some(ResponseCode::FormErr),
        record_type if is_notify && record_type != RecordType::SOA => {
            return Some(ResponseCode::FormErr);
        }
        // It does not fit into a datagram.
        RecordType::AXFR if transport == Transport::Udp => return Some(ResponseCode::NotImp),
        _ => {}
    }
    (question.query_class() != DNSClass::IN).then_some(ResponseCode::Refused)
}

/// The response that the answers add to.
pub(super) fn begin(query: &Message) -> Message {
    let mut response = Message::response(query.metadata.id, query.metadata.op_code);
    response.metadata.recursion_desired = query.metadata.recursion_desired;
    response.metadata.checking_disabled = query.metadata.checking_disabled;
    response.queries.clone_from(&query.queries);
    response
}

fn with_code(mut response: Message, code: ResponseCode) -> Message {
    response.metadata.response_code = code;
    response
}

/// The bytes of `response`, or SERVFAIL if it cannot be encoded.
fn encode(query: &Message, response: Message, transport: Transport) -> Result<Vec<u8>> {
    let encoded = finish(query, response, transport).or_else(|error| {
        tracing::warn!(%error, "an answer to a DNS question cannot be encoded");
        let failed = with_code(begin(query), ResponseCode::ServFail);
        finish(query, failed, transport)
    });
    Ok(encoded?)
}

/// Encodes `response` as the answer to `query`: sets the fields that must match the query, since
/// the answers may have changed them.
fn finish(
    query: &Message,
    mut response: Message,
    transport: Transport,
) -> std::result::Result<Vec<u8>, MessageError> {
    response.metadata.id = query.metadata.id;
    response.metadata.message_type = MessageType::Response;
    // In the case of the query, by which the client recognizes a forged response (0x20).
    response.queries.clone_from(&query.queries);
    if let [question] = &query.queries[..] {
        for record in &mut response.answers {
            if record.name == *question.name() {
                record.name.clone_from(question.name());
            }
        }
    }
    response.edns = query.edns.as_ref().map(|asked| {
        let mut edns = Edns::new();
        edns.set_version(0);
        edns.set_max_payload(MAX_UDP_SIZE);
        edns.set_dnssec_ok(asked.flags().dnssec_ok);
        // The upper bits of codes above 15, such as BADVERS, have their place in the EDNS record
        // only.
        edns.set_rcode_high(response.metadata.response_code.high());
        edns
    });
    let max_size = match (transport, &query.edns) {
        (Transport::Tcp, _) => u16::MAX,
        (Transport::Udp, None) => PLAIN_UDP_SIZE,
        // A size below 512 counts as 512 (RFC 6891, section 6.2.3).
        (Transport::Udp, Some(edns)) => edns.max_payload().clamp(PLAIN_UDP_SIZE, MAX_UDP_SIZE),
    };
    encode_message(&response, max_size)
}
