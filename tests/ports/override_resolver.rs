//! `docs/names/howto/listings/names/override_server.py`

use std::net::Ipv4Addr;

use deferred::{Deferred, Result, fail, succeed};
use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{RData, Record, RecordType};
use reactor::ReactorHandle;
use reactor_names::{Answers, Dns, DnsPort, DnsRequest, DnsServer, Forwarder};

const PATTERN: &str = "workstation";
const TTL: u32 = 0;

struct DynamicResolver {
    fallback: Forwarder,
}

/// The digits behind the pattern, if the question needs a dynamic response.
fn number(question: &Query) -> Option<String> {
    // Clients change the case of letters at random, so that answers are harder to forge.
    let name = question.name().to_lowercase().to_string();
    let digits = name.split('.').next()?.strip_prefix(PATTERN)?;
    (question.query_type() == RecordType::A).then(|| digits.to_owned())
}

fn dynamic_response(number: &str) -> Result<RData> {
    Ok(RData::A(Ipv4Addr::new(172, 0, 2, number.parse()?).into()))
}

impl Answers for DynamicResolver {
    fn answer(
        &self,
        reactor: &ReactorHandle,
        request: &DnsRequest,
        mut response: Message,
    ) -> Deferred<Message> {
        let Some(number) = number(request.question()) else {
            return self.fallback.answer(reactor, request, response);
        };
        match dynamic_response(&number) {
            Ok(data) => {
                let name = request.question().name().clone();
                response.add_answer(Record::from_rdata(name, TTL, data));
                succeed(response)
            }
            Err(failure) => fail(failure),
        }
    }
}

pub(crate) fn start(reactor: &ReactorHandle, address: &str, dns: Dns) -> Result<DnsPort> {
    let fallback = Forwarder::new(dns);
    let server = DnsServer::new(DynamicResolver { fallback });
    server.listen(reactor, address)
}
