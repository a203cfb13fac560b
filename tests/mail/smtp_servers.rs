//! Our SMTP client with servers of other projects: aiosmtpd, Twisted.

use std::fs;
use std::time::Duration;

use reactor::Reactor;
use reactor_mail::{SmtpClient, SmtpError};
use tests::certificates::Pair;
use tests::{Directory, python};

const MESSAGE: &str =
    "From: eve@example.org\r\nTo: bob@example.org\r\nSubject: dots\r\n\r\n.\r\n..two\r\nend\r\n";

/// The next message that the server prints, in hexadecimal digits.
fn message(server: &mut python::Server) -> String {
    let line = server.lines.next().expect("a message").expect("text");
    let digits = line.trim().as_bytes().chunks(2);
    let bytes = digits.map(|pair| {
        let pair = std::str::from_utf8(pair).expect("digits");
        u8::from_str_radix(pair, 16).expect("digits")
    });
    String::from_utf8(bytes.collect()).expect("it is text")
}

/// Sends two messages after a login over TLS; the second one goes to all but one recipient.
fn submits_to(module: &str, script: &str) {
    let folder = Directory::new("smtp-server");
    let pair = Pair::new("localhost");
    let pem = folder.path("server.pem");
    fs::write(&pem, pair.certificate.clone() + &pair.key).expect("it is written");
    let Some(mut server) = python::Server::start(module, script, &[&pem]) else {
        return;
    };
    let port = server.port;
    let reactor = Reactor::new().expect("a reactor");
    let tls = pair.client();
    let client = |password: &str| {
        let client = SmtpClient::new(&reactor, format!("127.0.0.1:{port}"));
        let client = client.with_tls(tls.clone(), "localhost").expect("a name");
        client.with_login("eve", password).with_hello("localhost")
    };
    let bob = ["bob@example.org"];
    let send = |client: &SmtpClient, to: &[&str], message: &str| {
        let sent = client.send("eve@example.org", to, message);
        reactor.block_on(sent.add_timeout(Duration::from_secs(60), &*reactor))
    };
    let refused = send(&client("open"), &bob, MESSAGE);
    let failure = refused.expect_err("the password is wrong");
    let error = failure.check::<SmtpError>();
    assert!(
        matches!(error, Some(SmtpError::LoginRefused { .. })),
        "{failure}"
    );

    let client = client("sesame");
    let sent = send(&client, &bob, MESSAGE);
    assert!(sent.expect("it is taken").refused.is_empty());
    let to = ["nobody@example.org", bob[0]];
    let sent = send(&client, &to, "Subject: two\n\n.\ntwo");
    let [(address, reply)] = &sent.expect("it is taken").refused[..] else {
        panic!("one is refused")
    };
    assert_eq!((address.as_str(), reply.code()), (to[0], 550));
    reactor.block_on(client.quit()).expect("it is closed");
    assert_eq!(message(&mut server), MESSAGE);
    assert_eq!(message(&mut server), "Subject: two\r\n\r\n.\r\ntwo\r\n");
}

#[test]
fn aiosmtpd_takes_mail_after_a_login_over_tls() {
    submits_to(
        "aiosmtpd.smtp",
        r"
import asyncio, ssl, sys
from aiosmtpd.smtp import SMTP, AuthResult

class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith('nobody@'):
            return '550 5.1.1 no such user'
        envelope.rcpt_tos.append(address)
        return '250 2.1.5 accepted'

    async def handle_DATA(self, server, session, envelope):
        print(envelope.original_content.hex(), flush=True)
        return '250 2.0.0 taken'

def check(server, session, envelope, mechanism, data):
    return AuthResult(success=(data.login, data.password) == (b'eve', b'sesame'), handled=False)

context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(sys.argv[1])
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
new = lambda: SMTP(Handler(), tls_context=context, require_starttls=True, auth_required=True,
                   authenticator=check, loop=loop)
server = loop.run_until_complete(loop.create_server(new, '127.0.0.1', 0))
print(server.sockets[0].getsockname()[1], flush=True)
loop.run_forever()
",
    );
}

#[test]
fn twisted_takes_mail_after_a_login_over_tls() {
    submits_to(
        "OpenSSL, twisted.mail.smtp",
        r"
import sys
from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import IRealm, Portal
from twisted.internet import defer, reactor, ssl
from twisted.mail import smtp
from twisted.mail.imap4 import LOGINCredentials, PLAINCredentials
from zope.interface import implementer

@implementer(smtp.IMessage)
class Message:
    def __init__(self):
        self.lines = []

    def lineReceived(self, line):
        self.lines.append(line + b'\r\n')

    def eomReceived(self):
        print(b''.join(self.lines).hex(), flush=True)
        return defer.succeed(None)

    def connectionLost(self):
        pass

@implementer(smtp.IMessageDelivery)
class Delivery:
    def receivedHeader(self, helo, origin, recipients):
        return b''

    def validateFrom(self, helo, origin):
        return origin

    def validateTo(self, user):
        if user.dest.local == b'nobody':
            raise smtp.SMTPBadRcpt(user)
        return Message

@implementer(IRealm)
class Realm:
    def requestAvatar(self, avatarId, mind, *interfaces):
        return smtp.IMessageDelivery, Delivery(), lambda: None

class Factory(smtp.SMTPFactory):
    def buildProtocol(self, addr):
        context = ssl.DefaultOpenSSLContextFactory(sys.argv[1], sys.argv[1])
        mechanisms = {b'PLAIN': PLAINCredentials, b'LOGIN': LOGINCredentials}
        protocol = smtp.ESMTP(mechanisms, context)
        protocol.factory = self
        protocol.portal = self.portal
        return protocol

checker = InMemoryUsernamePasswordDatabaseDontUse(eve=b'sesame')
port = reactor.listenTCP(0, Factory(Portal(Realm(), [checker])), interface='127.0.0.1')
print(port.getHost().port, flush=True)
reactor.run()
",
    );
}
