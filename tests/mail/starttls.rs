//! A client by hand that begins TLS by STARTTLS, and what an attacker may add to that.

use std::cell::RefCell;
use std::rc::Rc;

use deferred::{Deferred, Trigger};
use reactor::{ConnectionClosed, Context, Lines, Protocol, testing};
use reactor_tls::{StartTls, TlsClient, TlsServer};
use tests::certificates::Pair;

/// What differs between the protocols of lines.
#[derive(Clone, Copy)]
pub(crate) struct Dialect {
    /// What each line of the client begins with.
    pub(crate) tag: &'static str,
    /// The answer to STARTTLS.
    pub(crate) go_ahead: &'static str,
    /// Whether the server says more after this line, before it is the client's turn. The number
    /// counts the lines from 1.
    pub(crate) goes_on: fn(&str, usize) -> bool,
}

/// Says its lines one after the other, each when the last one is answered; TLS after STARTTLS.
struct Client {
    dialect: Dialect,
    tls: TlsClient,
    lines: Vec<&'static str>,
    /// Sent in the clear with STARTTLS.
    injected: &'static str,
    answers: Rc<RefCell<Vec<String>>>,
    done: Trigger<()>,
}

impl Protocol for Client {
    type Framing = Lines;

    fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> deferred::Result<()> {
        let line = String::from_utf8(line.to_vec())?;
        self.answers.borrow_mut().push(line.clone());
        if (self.dialect.goes_on)(&line, self.answers.borrow().len()) {
            return Ok(());
        }
        if line == self.dialect.go_ahead {
            cx.start_tls(self.tls.filter("localhost")?).ignore();
        }
        if self.lines.is_empty() {
            cx.lose_connection();
            return Ok(());
        }
        let line = self.lines.remove(0);
        let injected = match line {
            "STARTTLS" => self.injected,
            _ => "",
        };
        cx.write(format!("{}{line}\r\n{injected}", self.dialect.tag));
        Ok(())
    }

    fn connection_lost(&mut self, _: &mut Context<'_, Self>, _: ConnectionClosed) {
        // Errs never: it is fired once.
        let _ = self.done.callback(());
    }
}

/// What a server of `localhost` answers to these lines.
pub(crate) fn talk<P: Protocol>(
    dialect: Dialect,
    server: impl FnOnce(TlsServer) -> P,
    lines: &[&'static str],
    injected: &'static str,
) -> Vec<String> {
    let pair = Pair::new("localhost");
    let server = server(pair.server());
    let answers = Rc::default();
    testing::run(|reactor| {
        let (done, closed) = Deferred::pair();
        let client = Client {
            dialect,
            tls: pair.client(),
            lines: lines.to_vec(),
            injected,
            answers: Rc::clone(&answers),
            done,
        };
        let _connections = reactor.connect_pair(server, client);
        reactor.block_on(closed).expect("it is closed");
    });
    answers.take()
}
