//! Sends one request over a connection of its own, with hyper's client.

use std::net::SocketAddr;

use deferred::{Deferred, Failure, Result};
use hyper::client::conn::http1;
use reactor::{Connection, ReactorHandle};

use super::answer::TestAnswer;
use crate::body::Body;
use crate::io::{Io, IoProtocol};

/// A request that was begun.
pub(super) struct Started {
    pub(super) answer: Deferred<TestAnswer>,
    pub(super) connection: Deferred<Connection<IoProtocol>>,
}

pub(super) fn start(
    reactor: &ReactorHandle,
    address: SocketAddr,
    request: http::Request<Body>,
) -> Started {
    let (trigger, answer) = Deferred::pair();
    let protocol = IoProtocol::new(move |io| {
        let reactor = io.reactor().clone();
        let exchange = reactor.spawn(send(io, request));
        exchange.chain_deferred(trigger).ignore();
    });
    let connection = reactor.connect_tcp(address, protocol);
    Started { answer, connection }
}

async fn send(io: Io, request: http::Request<Body>) -> Result<TestAnswer> {
    let reactor = io.reactor().clone();
    let (mut sender, connection) = http1::handshake(io).await?;
    // Ignored, since the request fails with the same error.
    reactor.spawn(async { Ok(connection.await?) }).ignore();
    let response = sender.send_request(request).await?;
    let (head, body) = response.into_parts();
    let mut body = Body::wrap(body);
    let mut bytes = Vec::new();
    while let Some(next) = body.next().await {
        bytes.extend_from_slice(&next.map_err(|failure| cut_short(failure, bytes.len()))?);
    }
    Ok(TestAnswer::new(head, bytes))
}

fn cut_short(failure: Failure, received: usize) -> Failure {
    failure.context(format!("the answer has broken off after {received} bytes"))
}
