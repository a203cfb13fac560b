//! TLS endpoints, typed and as strings.

use std::fs;
use std::path::PathBuf;

use deferred::{Result, Trigger};
use reactor::endpoint::{
    ClientEndpoint, EndpointErrorKind, EndpointParser, Listen, ServerEndpoint, quote,
};
use reactor::testing::TestReactor;
use reactor::{Context, Lines, Protocol, Reactor, ask};
use reactor_tls::{TlsError, TlsErrorKind, TlsInfo, WithTls};

use crate::certificates::{Issuer, both};

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

/// A folder with an issuer, a certificate of `localhost` and one of a client.
struct Files(PathBuf);

impl Files {
    fn new(name: &str) -> Self {
        let name = format!("tls-endpoints-{name}-{}", std::process::id());
        let files = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(&files.0).expect("a folder");
        let issuer = Issuer::new();
        files.write("roots.pem", &issuer.pem());
        for name in ["localhost", "client"] {
            let pem = issuer.issue(name);
            files.write(&format!("{name}.pem"), &pem.certificate);
            files.write(&format!("{name}.key"), &pem.key);
            let both = format!("{}{}", pem.key, pem.certificate);
            files.write(&format!("{name}.both"), &both);
        }
        files
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).expect("a file");
    }

    /// `text` with the paths of the files in place of `@name`.
    fn fill(&self, text: &str) -> String {
        let folder = quote(self.0.to_str().expect("it is text"));
        text.replace('@', &format!("{folder}/"))
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // Errs if something else has removed the folder, which is all this is for.
        let _ = fs::remove_dir_all(&self.0);
    }
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
            "tls:0:key=@localhost.key:cert=@localhost.pem:interface=127.0.0.1",
            "tls:localhost:PORT:roots=@roots.pem",
            "four None 0",
        ),
        (
            "ssl:0:privateKey=@localhost.both:interface=127.0.0.1:backlog=5",
            "ssl:localhost:PORT:roots=@roots.pem:timeout=20",
            "four None 0",
        ),
        (
            "tls:0:key=@localhost.key:cert=@localhost.pem:clients=@roots.pem:alpn=b,a:interface=127.0.0.1",
            "tls:host=localhost:port=PORT:roots=@roots.pem:key=@client.key:cert=@client.pem:alpn=a,c",
            "four Some(\"a\") 1",
        ),
        (
            "tls:endpoint=tcp\\:0\\:interface=127.0.0.1:key=@localhost.both",
            "tls:localhost:endpoint=tcp\\:127.0.0.1\\:PORT:roots=@roots.pem",
            "four None 0",
        ),
    ] {
        let server = parser().server(&files.fill(server)).expect(server);
        let client = |port: u16| {
            let text = files.fill(client).replace("PORT", &port.to_string());
            parser().client(&text).expect(client)
        };
        assert_eq!(talk(server, client).unwrap(), answer);
    }
}

/// A client without a certificate that the server asks for, or that does not trust it.
#[test]
fn strings_verify() {
    let files = Files::new("verify");
    let other = Files::new("other");
    let server = "tls:0:key=@localhost.key:cert=@localhost.pem:interface=127.0.0.1";
    let listening = || parser().server(&files.fill(server)).expect("it is one");
    let untrusting = |port: u16| {
        let text = format!("tls:localhost:{port}:roots=@roots.pem");
        parser().client(&other.fill(&text)).expect("it is one")
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
        "tls:endpoint=haproxy\\:from=127.0.0.1\\:tcp\\:0\\:interface=127.0.0.1:key=@localhost.both";
    assert!(parser().server(&files.fill(text)).is_ok());
}

#[test]
fn what_is_wrong_is_said() {
    use EndpointErrorKind::{BadValue, Missing, Unexpected, UnknownPrefix};
    let files = Files::new("wrong");
    let said = |text: &str,
                result: std::result::Result<(), reactor::endpoint::EndpointError>,
                kind,
                message: &str| {
        let error = result.expect_err(text);
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(message), "{error}");
    };
    for (text, kind, message) in [
        (
            "tls:0",
            BadValue,
            "key \"\" must be a PEM file with a private key",
        ),
        (
            "tls:0:cert=@localhost.pem",
            BadValue,
            "needs key=, the file of its private key",
        ),
        ("tls:0:key=@none.key", BadValue, "none.key"),
        (
            "tls:0:key=@client.key:cert=@localhost.pem",
            BadValue,
            "cannot be used",
        ),
        (
            "tls:0:key=@localhost.both:clients=@localhost.key",
            BadValue,
            "clients",
        ),
        ("tls:key=@localhost.both", Missing, "no port"),
        ("tls:0:key=@localhost.both:color=red", Unexpected, "color"),
        (
            "tls:0:endpoint=tcp\\:0:key=@localhost.both",
            Unexpected,
            "\"0\"",
        ),
        (
            "tls:endpoint=tpc\\:0:key=@localhost.both",
            UnknownPrefix,
            "tls",
        ),
    ] {
        said(
            text,
            parser().server(&files.fill(text)).map(drop),
            kind,
            message,
        );
    }
    for (text, kind, message) in [
        ("tls:", Missing, "no host"),
        ("tls:localhost", Missing, "no port"),
        ("tls:localhost:https", BadValue, "port \"https\""),
        ("tls:local host:443", BadValue, "local host"),
        ("tls:localhost:443:roots=@none.pem", BadValue, "none.pem"),
        ("tls:localhost:443:color=red", Unexpected, "color"),
    ] {
        said(
            text,
            parser().client(&files.fill(text)).map(drop),
            kind,
            message,
        );
    }
    assert!(EndpointParser::new().client("tls:localhost:443").is_err());
}
