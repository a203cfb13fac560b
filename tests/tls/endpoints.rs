//! TLS endpoints, typed and as strings.

use deferred::{Result, Trigger};
use reactor::endpoint::{
    ClientEndpoint, EndpointError, EndpointErrorKind, EndpointParser, Listen, ServerEndpoint, quote,
};
use reactor::testing::TestReactor;
use reactor::{Context, Lines, Protocol, Reactor, ask};
use reactor_tls::{TlsError, TlsErrorKind, TlsInfo, WithTls};

use crate::certificates::both;
use crate::programs::support::Files;

/// Answers with what was agreed on, and the address of the peer.
struct Facts;

impl Protocol for Facts {
    type Framing = Lines;

    fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> Result<()> {
        let tls = cx.filter_info::<TlsInfo>().expect("it is TLS");
        let line = String::from_utf8_lossy(line);
        let alpn = tls.alpn.as_deref().map(String::from_utf8_lossy);
        let certificates = tls.peer_certificates.len();
        cx.send_line(format!("{line} {alpn:?} {certificates}"));
        Ok(())
    }
}

struct Question(Trigger<String>);

impl Protocol for Question {
    type Framing = Lines;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        assert!(cx.filter_info::<TlsInfo>().is_some(), "TLS is open");
        cx.send_line("four");
        Ok(())
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> Result<()> {
        cx.lose_connection();
        Ok(self.0.callback(String::from_utf8(line.to_vec())?)?)
    }
}

/// `text` with the paths of the files in place of `@name`.
fn fill(files: &Files, text: &str) -> String {
    let directory = quote(&files.path(""));
    text.replace('@', &directory)
}

fn parser() -> EndpointParser {
    EndpointParser::new().with_tls()
}

/// What a client on a socket gets to know of a server.
fn talk(
    server: impl ServerEndpoint,
    client: impl Fn(u16) -> Box<dyn ClientEndpoint>,
) -> Result<String> {
    let reactor = Reactor::new()?;
    let port = reactor.block_on(server.listen(&reactor, || Facts))?;
    let number = port.address().as_inet().expect("it is TCP").port();
    reactor.block_on(ask(&reactor, client(number), Question))
}

#[test]
fn typed_endpoints_begin_with_tls() {
    let (server, client) = both();
    let reactor = TestReactor::new();
    let listening = server.endpoint("unix:/run/tls").listen(&reactor, || Facts);
    let endpoint = client.endpoint("localhost", "unix:/run/tls").unwrap();
    let answer = ask(&reactor, endpoint, Question);
    reactor.settle();
    assert!(listening.into_result().unwrap().unwrap().is_listening());
    assert_eq!(answer.into_result().unwrap().unwrap(), "four None 0");

    let other = client.endpoint("example.org", "unix:/run/tls").unwrap();
    let answer = ask(&reactor, other, Question);
    reactor.settle();
    let failure = answer.into_result().unwrap().unwrap_err();
    let error = failure.downcast_ref::<TlsError>().expect("it is of TLS");
    assert!(
        matches!(error.kind(), TlsErrorKind::WrongName { .. }),
        "{error}"
    );
    assert!(client.endpoint("no name", "unix:/run/tls").is_err());
}

#[test]
fn strings_name_files() {
    let files = Files::new("strings");
    for (server, client, answer) in [
        (
            "tls:0:key=@server.key:cert=@server.pem:interface=127.0.0.1",
            "tls:localhost:PORT:roots=@ca.pem",
            "four None 0",
        ),
        (
            "ssl:0:privateKey=@server.both:interface=127.0.0.1:backlog=5",
            "ssl:localhost:PORT:roots=@ca.pem:timeout=20",
            "four None 0",
        ),
        (
            "tls:0:key=@server.key:cert=@server.pem:clients=@ca.pem:alpn=b,a:interface=127.0.0.1",
            "tls:host=localhost:port=PORT:roots=@ca.pem:key=@client.key:cert=@client.pem:alpn=a,c",
            "four Some(\"a\") 1",
        ),
        (
            "tls:endpoint=tcp\\:0\\:interface=127.0.0.1:key=@server.both",
            "tls:localhost:endpoint=tcp\\:127.0.0.1\\:PORT:roots=@ca.pem",
            "four None 0",
        ),
    ] {
        let server = parser().server(&fill(&files, server)).expect(server);
        let client = |port: u16| {
            let text = fill(&files, client).replace("PORT", &port.to_string());
            parser().client(&text).expect(client)
        };
        assert_eq!(talk(server, client).unwrap(), answer);
    }
}

/// `tls` makes a description of `tcp` of its own arguments, where the colons of the host count again.
#[test]
fn the_host_of_a_string_may_be_an_address_of_ipv6() {
    let files = Files::new("ipv6");
    let pair = files.issuer.issue("::1");
    files.write("server.both", &(pair.key + &pair.certificate));
    let reactor = TestReactor::new();
    let server = "tls:443:interface=\\:\\:1:key=@server.both";
    let server = parser().server(&fill(&files, server)).expect("it is one");
    let listening = server.listen(&reactor, || Facts);
    let client = "tls:\\:\\:1:443:roots=@ca.pem";
    let client = parser().client(&fill(&files, client)).expect("it is one");
    let answer = ask(&reactor, client, Question);
    reactor.settle();
    let port = listening.into_result().unwrap().unwrap();
    assert!(port.is_listening());
    assert_eq!(answer.into_result().unwrap().unwrap(), "four None 0");
}

/// A client without a certificate that the server asks for, or that does not trust it.
#[test]
fn strings_verify() {
    let files = Files::new("verify");
    let other = Files::new("other");
    let server = "tls:0:key=@server.key:cert=@server.pem:interface=127.0.0.1";
    let listening = || parser().server(&fill(&files, server)).expect("it is one");
    let untrusting = |port: u16| {
        let text = format!("tls:localhost:{port}:roots=@ca.pem");
        parser().client(&fill(&other, &text)).expect("it is one")
    };
    let failure = talk(listening(), untrusting).unwrap_err();
    let error = failure.downcast_ref::<TlsError>().expect("it is of TLS");
    assert_eq!(error.kind(), &TlsErrorKind::UnknownIssuer);
}

/// Below TLS, as a load balancer sends it that does not look into the connection.
#[test]
fn a_proxy_header_stands_before_tls() {
    let files = Files::new("proxy");
    let text =
        "tls:endpoint=haproxy\\:from=127.0.0.1\\:tcp\\:0\\:interface=127.0.0.1:key=@server.both";
    assert!(parser().server(&fill(&files, text)).is_ok());
}

#[test]
fn what_is_wrong_is_said() {
    use EndpointErrorKind::{BadValue, Missing, Unexpected, UnknownPrefix};
    let files = Files::new("wrong");
    let said = |text: &str, result: std::result::Result<(), EndpointError>, kind, message: &str| {
        let error = result.expect_err(text);
        assert_eq!(error.kind(), kind, "{error}");
        // All of what was given, and nothing else.
        assert_eq!(error.text(), text);
        assert!(error.to_string().contains(message), "{error}");
    };
    for (text, kind, message) in [
        (
            "tls:0",
            BadValue,
            "key \"\" must be a PEM file with a private key",
        ),
        (
            "tls:0:cert=@server.pem",
            BadValue,
            "needs key=, the file of its private key",
        ),
        ("tls:0:key=@none.key", BadValue, "none.key"),
        (
            "tls:0:key=@client.key:cert=@server.pem",
            BadValue,
            "cannot be used",
        ),
        (
            "tls:0:key=@server.both:clients=@server.key",
            BadValue,
            "clients",
        ),
        ("tls:key=@server.both", Missing, "no port"),
        (
            "tls:0:key=@server.both:color=red",
            Unexpected,
            "red\": the argument \"color\"",
        ),
        (
            "tls:eighty:key=@server.both",
            BadValue,
            "both\": port \"eighty\"",
        ),
        (
            "tls:0:endpoint=tcp\\:0:key=@server.both",
            Unexpected,
            "\"0\"",
        ),
        (
            "tls:endpoint=tpc\\:0:key=@server.both",
            UnknownPrefix,
            "in \"tpc:0\": no server has the prefix \"tpc\"",
        ),
    ] {
        let text = fill(&files, text);
        said(&text, parser().server(&text).map(drop), kind, message);
    }
    for (text, kind, message) in [
        ("tls:", Missing, "no host"),
        ("tls:localhost", Missing, "no port"),
        ("tls:localhost:https", BadValue, "https\": port \"https\""),
        ("tls:local host:443", BadValue, "local host"),
        ("tls:localhost:443:roots=@none.pem", BadValue, "none.pem"),
        (
            "tls:localhost:443:color=red",
            Unexpected,
            "red\": the argument \"color\"",
        ),
        (
            "tls:localhost:443:timeout=soon",
            BadValue,
            "soon\": timeout \"soon\"",
        ),
    ] {
        let text = fill(&files, text);
        said(&text, parser().client(&text).map(drop), kind, message);
    }
    assert!(EndpointParser::new().client("tls:localhost:443").is_err());
}
