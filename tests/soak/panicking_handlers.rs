//! Handlers that panic, each of them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use deferred::Result;
use reactor::{
    Address, ConnectionClosed, Consumer, Context, Factory, Producer, Production, Protocol, Raw,
};
use std::sync::Arc;

use crate::support::{PATIENCE, Server, alone, descriptors, leaves_no_memory};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Where {
    Nowhere,
    Build,
    Framing,
    Made,
    Received,
    ReadClosed,
    Lost,
    When,
    Later,
    Post,
    Producer,
    Drop,
}

const ALL: [Where; 11] = [
    Where::Build,
    Where::Framing,
    Where::Made,
    Where::Received,
    Where::ReadClosed,
    Where::Lost,
    Where::When,
    Where::Later,
    Where::Post,
    Where::Producer,
    Where::Drop,
];

/// How often each of them panics before one looks what is left.
const ROUNDS: usize = 40;

struct Panicking {
    at: Where,
    ends: Arc<AtomicUsize>,
}

impl Panicking {
    fn panic_at(&self, here: Where) {
        assert!(self.at != here, "what a handler may do");
    }
}

impl Protocol for Panicking {
    type Framing = Raw;

    fn framing(&self) -> Raw {
        self.panic_at(Where::Framing);
        Raw
    }

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        self.panic_at(Where::Made);
        if self.at == Where::Later {
            cx.call_later(Duration::ZERO, |this, _| this.panic_at(Where::Later));
        }
        if self.at == Where::Producer {
            let producer = |_: &mut Consumer<'_>| -> Result<Production> { panic!("a producer") };
            cx.connection()
                .register_producer(Producer::pull(producer))?;
        }
        Ok(())
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, data: &[u8]) -> Result<()> {
        self.panic_at(Where::Received);
        cx.when(deferred::succeed(()), |this, _, _| {
            this.panic_at(Where::When);
        });
        cx.connection().post(|this, _| this.panic_at(Where::Post))?;
        cx.write(data);
        Ok(())
    }

    fn read_closed(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        self.panic_at(Where::ReadClosed);
        cx.lose_connection();
        Ok(())
    }

    fn connection_lost(&mut self, _: &mut Context<'_, Self>, _: ConnectionClosed) {
        self.ends.fetch_add(1, Ordering::Relaxed);
        self.panic_at(Where::Lost);
    }
}

impl Drop for Panicking {
    fn drop(&mut self) {
        // Not a second one: that would abort, here as anywhere.
        if !std::thread::panicking() {
            self.panic_at(Where::Drop);
        }
    }
}

/// Every second one behaves.
struct Taking {
    turn: usize,
    ends: Arc<AtomicUsize>,
}

impl Factory for Taking {
    type Protocol = Panicking;

    fn build_protocol(&mut self, _peer: &Address) -> Option<Panicking> {
        let turn = self.turn;
        self.turn += 1;
        let at = if turn.is_multiple_of(2) {
            Where::Nowhere
        } else {
            ALL[turn / 2 % ALL.len()]
        };
        assert!(at != Where::Build, "what a factory may do");
        let ends = Arc::clone(&self.ends);
        Some(Panicking { at, ends })
    }
}

#[test]
fn a_panic_in_a_handler_ends_its_own_connection_and_no_other() {
    let _alone = alone();
    std::panic::set_hook(Box::new(|_| ())); // or the output would be full of them
    let before = descriptors();
    let ends = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&ends);
    let server = Server::start(|| Taking {
        turn: 0,
        ends: counting,
    });
    let with_server = descriptors();
    let mut rounds = 0;
    leaves_no_memory(|| {
        for _ in 0..ROUNDS * ALL.len() {
            meet(&server);
        }
        server.wait_until_empty();
        assert_eq!(descriptors(), with_server);
        rounds += ROUNDS;
    });
    // Those whose factory panicked have never begun; one whose framing did hears of its end.
    let begun = rounds * (2 * ALL.len() - 1);
    assert_eq!(ends.load(Ordering::Relaxed), begun);
    server.stop();
    assert_eq!(descriptors(), before);
}

/// Two connect, the second of which is served by one that panics somewhere.
fn meet(server: &Server) {
    let mut pair = [0, 1].map(|_| {
        let stream = TcpStream::connect(server.address).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream
    });
    for stream in &mut pair {
        let _ = stream.write_all(b"ping");
    }
    let [mut good, mut bad] = pair;
    let mut back = [0; 4];
    good.read_exact(&mut back).expect("this one behaves");
    let _ = bad.shutdown(std::net::Shutdown::Write);
    // It comes to an end, whatever happened.
    let _ = bad.read_to_end(&mut Vec::new());
}
