//! Filters by themselves, and several on top of one another, without a connection.

use deferred::{Failure, Result};
use proptest::prelude::*;
use reactor::filter::{Filter, InfoRequest, Link, Pair};
use reactor::testing::FilterDriver;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// Adds a number to each byte that goes out, and takes it off what comes in. Opens when the
/// other side has said hello.
pub(crate) struct Shift {
    by: u8,
    is_greeted: bool,
}

pub(crate) const HELLO: u8 = b'H';

impl Shift {
    pub(crate) fn new(by: u8) -> Self {
        Self {
            by,
            is_greeted: false,
        }
    }
}

impl Filter for Shift {
    fn start(&mut self, link: &mut Link<'_>) -> Result<()> {
        link.send(&[HELLO.wrapping_add(self.by)]);
        Ok(())
    }

    fn receive(&mut self, input: &mut [u8], link: &mut Link<'_>) -> Result<usize> {
        assert!(!input.is_empty());
        if !self.is_greeted {
            if input[0] != HELLO.wrapping_add(self.by) {
                link.send(b"!");
                return Err(Failure::msg("no greeting"));
            }
            self.is_greeted = true;
            link.open();
            return Ok(1);
        }
        link.up()
            .extend(input.iter().map(|byte| byte.wrapping_sub(self.by)));
        Ok(input.len())
    }

    fn send(&mut self, bytes: &[u8], link: &mut Link<'_>) -> Result<usize> {
        assert!(!bytes.is_empty() && self.is_greeted);
        link.down()
            .extend(bytes.iter().map(|byte| byte.wrapping_add(self.by)));
        Ok(bytes.len())
    }

    fn finish(&mut self, link: &mut Link<'_>) -> Result<bool> {
        link.send(&[b'.'.wrapping_add(self.by)]);
        Ok(true)
    }

    fn info(&self, request: &mut InfoRequest<'_>) {
        request.provide(|| self.by);
    }
}

fn stack() -> FilterDriver {
    FilterDriver::new(Pair::new(
        Shift::new(1),
        Pair::new(Shift::new(10), Shift::new(100)),
    ))
    .unwrap()
}

/// Passes what each has sent to the other, in pieces of `size`, until both are silent.
fn talk(one: &mut FilterDriver, other: &mut FilterDriver, size: usize) {
    loop {
        let (from_one, from_other) = (one.sent(), other.sent());
        if from_one.is_empty() && from_other.is_empty() {
            break;
        }
        for piece in from_one.chunks(size) {
            other.receive(piece).unwrap();
        }
        for piece in from_other.chunks(size) {
            one.receive(piece).unwrap();
        }
    }
}

#[test]
fn the_lower_one_opens_first() {
    let mut driver = stack();
    assert_eq!(driver.sent(), [HELLO + 1]);
    driver.receive([HELLO + 1]).unwrap();
    assert!(!driver.is_open());
    assert_eq!(driver.sent(), [HELLO + 11]);
    driver.receive([HELLO + 11]).unwrap();
    assert!(!driver.is_open());
    driver.receive([HELLO + 111]).unwrap();
    assert!(driver.is_open());
}

#[test]
fn what_is_sent_waits_until_all_are_open() {
    let (mut one, mut other) = (stack(), stack());
    one.send("hello").unwrap();
    one.finish().unwrap();
    assert!(!one.is_finished());
    talk(&mut one, &mut other, 1);
    // Behind it, the ends of the other two.
    assert_eq!(other.delivered()[..6], *b"hello.");
    assert!(one.is_finished());
}

#[test]
fn the_error_of_an_upper_one_still_goes_out() {
    let mut driver = FilterDriver::new(Pair::new(Shift::new(1), Shift::new(10))).unwrap();
    driver.receive([HELLO + 1]).unwrap();
    driver.sent();
    let failure = driver.receive("x").unwrap_err();
    assert_eq!(failure.message(), "no greeting");
    assert_eq!(driver.sent(), [b'!' + 1]);
}

#[test]
fn the_one_next_to_the_protocol_is_asked_first() {
    let driver = FilterDriver::new(Pair::new(Shift::new(1), Shift::new(10))).unwrap();
    assert_eq!(driver.info::<u8>(), Some(10));
    assert_eq!(driver.info::<u16>(), None);
}

proptest! {
    #[test]
    fn each_cut_gives_the_same_bytes(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..20),
        size in 1..40usize,
    ) {
        let (mut one, mut other) = (stack(), stack());
        for piece in &pieces {
            one.send(piece).unwrap();
        }
        talk(&mut one, &mut other, size);
        prop_assert_eq!(other.delivered(), pieces.concat());
    }
}

#[test]
fn one_that_is_inserted_gets_the_rest_and_lets_pass_what_was_written_before() {
    let mut driver = FilterDriver::new(Slow(None)).unwrap();
    driver.send("ab").unwrap();
    driver.receive([HELLO + 1, b'h' + 1]).unwrap();
    driver.insert(Shift::new(1)).unwrap();
    driver.send("c").unwrap();
    assert_eq!(driver.delivered(), b"h");
    for _ in 0..4 {
        driver.advance(Duration::from_secs(1)).unwrap();
    }
    assert_eq!(driver.sent(), [b'a', b'b', HELLO + 1, b'c' + 1]);
}

/// Takes a byte each second.
struct Slow(Option<Duration>);

impl Filter for Slow {
    fn receive(&mut self, input: &mut [u8], link: &mut Link<'_>) -> Result<usize> {
        link.deliver(input);
        Ok(input.len())
    }

    fn send(&mut self, bytes: &[u8], link: &mut Link<'_>) -> Result<usize> {
        if self.0.is_some_and(|at| link.now() < at) {
            return Ok(0);
        }
        link.send(&bytes[..1]);
        self.0 = Some(link.now() + Duration::from_secs(1));
        link.wake_after(Duration::from_secs(1));
        Ok(1)
    }
}

#[test]
fn finishing_waits_for_a_slow_lower_one() {
    let mut driver = FilterDriver::new(Pair::new(Slow(None), Shift::new(0))).unwrap();
    driver.receive([HELLO]).unwrap();
    driver.send("ab").unwrap();
    driver.finish().unwrap();
    for second in 0..3 {
        assert!(!driver.is_finished(), "after {second} seconds");
        driver.advance(Duration::from_secs(1)).unwrap();
    }
    assert!(driver.is_finished());
    assert_eq!(driver.sent(), b"Hab.");
}

/// A filter whose `receive` and `send` return the given number.
struct Answers(usize);

impl Filter for Answers {
    fn receive(&mut self, _input: &mut [u8], _link: &mut Link<'_>) -> Result<usize> {
        Ok(self.0)
    }

    fn send(&mut self, _bytes: &[u8], _link: &mut Link<'_>) -> Result<usize> {
        Ok(self.0)
    }
}

#[test]
fn taking_more_than_there_is_fails() {
    let mut driver = FilterDriver::new(Answers(6)).unwrap();
    assert!(driver.receive("hello").is_err());
    assert!(driver.send("hello").is_err());
}

#[test]
fn one_that_consumes_nothing_is_not_read_for() {
    let mut driver = FilterDriver::new(Answers(0)).unwrap();
    driver.receive(vec![0; 64 * 1024 - 1]).unwrap();
    assert_ne!(driver.read_limit(), 0);
    driver.receive([0]).unwrap();
    assert_eq!(driver.read_limit(), 0);
}

/// Panics in the method that is named.
struct Panics(&'static str);

impl Panics {
    fn in_method(&self, name: &str) {
        assert_ne!(self.0, name, "as it should");
    }
}

impl Filter for Panics {
    fn start(&mut self, link: &mut Link<'_>) -> Result<()> {
        self.in_method("start");
        link.wake_after(Duration::from_secs(1));
        link.open();
        Ok(())
    }

    fn receive(&mut self, input: &mut [u8], _link: &mut Link<'_>) -> Result<usize> {
        self.in_method("receive");
        Ok(input.len())
    }

    fn receive_end(&mut self, _link: &mut Link<'_>) -> Result<()> {
        self.in_method("receive_end");
        Ok(())
    }

    fn send(&mut self, bytes: &[u8], _link: &mut Link<'_>) -> Result<usize> {
        self.in_method("send");
        Ok(bytes.len())
    }

    fn finish(&mut self, _link: &mut Link<'_>) -> Result<bool> {
        self.in_method("finish");
        Ok(true)
    }

    fn wake(&mut self, _link: &mut Link<'_>) -> Result<()> {
        self.in_method("wake");
        Ok(())
    }
}

#[test]
fn a_panic_in_any_method_is_a_failure() {
    assert!(FilterDriver::new(Panics("start")).is_err());
    let driver = |name| FilterDriver::new(Panics(name)).unwrap();
    assert!(driver("receive").receive("x").is_err());
    assert!(driver("receive_end").receive_end().is_err());
    assert!(driver("send").send("x").is_err());
    assert!(driver("finish").finish().is_err());
    assert!(driver("wake").advance(Duration::from_secs(1)).is_err());
    let mut good = driver("none");
    good.receive("x").unwrap();
    good.send("x").unwrap();
    good.receive_end().unwrap();
    good.finish().unwrap();
    good.advance(Duration::from_secs(1)).unwrap();
}

/// Counts the calls of `receive_end`, after which it asks to be woken.
struct CountsEnds(Rc<Cell<u32>>);

impl Filter for CountsEnds {
    fn start(&mut self, link: &mut Link<'_>) -> Result<()> {
        link.open();
        Ok(())
    }

    fn receive(&mut self, input: &mut [u8], _link: &mut Link<'_>) -> Result<usize> {
        Ok(input.len())
    }

    fn receive_end(&mut self, link: &mut Link<'_>) -> Result<()> {
        self.0.set(self.0.get() + 1);
        link.wake_after(Duration::from_secs(1));
        Ok(())
    }

    fn send(&mut self, bytes: &[u8], _link: &mut Link<'_>) -> Result<usize> {
        Ok(bytes.len())
    }
}

#[test]
fn the_end_of_the_input_is_told_once() {
    let ends = Rc::new(Cell::new(0));
    let filter = CountsEnds(Rc::clone(&ends));
    let mut driver = FilterDriver::new(filter).unwrap();
    driver.receive_end().unwrap();
    assert_eq!(ends.get(), 1);
    driver.advance(Duration::from_secs(1)).unwrap();
    assert_eq!(ends.get(), 1);
    assert_eq!(driver.wake_at(), None, "it was woken");
}

/// Consumes nothing before it is woken, a second after the first byte.
#[derive(Default)]
struct Late {
    is_asked: bool,
    is_awake: bool,
    owes_end: bool,
}

impl Filter for Late {
    fn receive(&mut self, input: &mut [u8], link: &mut Link<'_>) -> Result<usize> {
        if !self.is_asked {
            self.is_asked = true;
            link.wake_after(Duration::from_secs(1));
        }
        if !self.is_awake {
            return Ok(0);
        }
        link.deliver(input);
        if self.owes_end {
            link.end();
        }
        Ok(input.len())
    }

    fn receive_end(&mut self, link: &mut Link<'_>) -> Result<()> {
        self.owes_end = !self.is_awake;
        if self.is_awake {
            link.end();
        }
        Ok(())
    }

    fn send(&mut self, bytes: &[u8], link: &mut Link<'_>) -> Result<usize> {
        link.send(bytes);
        Ok(bytes.len())
    }

    fn wake(&mut self, _link: &mut Link<'_>) -> Result<()> {
        self.is_awake = true;
        Ok(())
    }
}

#[test]
fn what_waits_outside_of_a_full_pair_comes_before_the_end() {
    let mut driver = FilterDriver::new(Pair::new(Slow(None), Late::default())).unwrap();
    driver.receive([b'a'; 64 * 1024]).unwrap();
    driver.receive([b'b'; 10 * 1024]).unwrap();
    driver.receive_end().unwrap();
    assert!(driver.delivered().is_empty());
    assert!(!driver.has_ended());
    driver.advance(Duration::from_secs(1)).unwrap();
    let delivered = driver.delivered();
    assert_eq!(delivered.len(), 74 * 1024);
    assert!(delivered.ends_with(b"bb"));
    assert!(driver.has_ended());
}
