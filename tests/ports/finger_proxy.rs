//! `docs/core/howto/tutorial/listings/finger/fingerproxy.tac`

use deferred::{Deferred, Result, Trigger};
use reactor::{ConnectionClosed, Context, Lines, Protocol, Raw, ReactorHandle, ask};

struct FingerProxy {
    port: u16,
}

impl Protocol for FingerProxy {
    type Framing = Lines;

    fn received(&mut self, cx: &mut Context<'_, Self>, user: &[u8]) -> Result<()> {
        let user = String::from_utf8_lossy(user);
        let (user, host) = user
            .split_once('@')
            .unwrap_or_else(|| (user.trim(), "127.0.0.1"));
        let answer = finger(cx.reactor(), user, (host, self.port));
        cx.when_or_cancel(answer, |_, cx, answer| {
            cx.write(answer.unwrap_or_else(|_| b"Could not connect to remote host".to_vec()));
            cx.lose_connection();
        });
        Ok(())
    }
}

struct FingerClient {
    user: String,
    answer: Vec<u8>,
    done: Trigger<Vec<u8>>,
}

impl Protocol for FingerClient {
    type Framing = Raw;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        cx.write(format!("{}\r\n", self.user));
        Ok(())
    }

    fn received(&mut self, _cx: &mut Context<'_, Self>, data: &[u8]) -> Result<()> {
        self.answer.extend(data);
        Ok(())
    }

    fn connection_lost(&mut self, _cx: &mut Context<'_, Self>, _reason: ConnectionClosed) {
        let _ = self.done.callback(std::mem::take(&mut self.answer));
    }
}

fn finger(reactor: &ReactorHandle, user: &str, server: (&str, u16)) -> Deferred<Vec<u8>> {
    ask(reactor, server, |done| FingerClient {
        user: user.to_owned(),
        answer: Vec::new(),
        done,
    })
}

pub(crate) fn start(reactor: &ReactorHandle) -> Result<()> {
    reactor.listen_tcp("127.0.0.1:7779", || FingerProxy { port: 1079 })?;
    Ok(())
}
