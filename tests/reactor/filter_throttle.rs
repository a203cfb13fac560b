//! Throttling filters by themselves: rates, and fairness.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use deferred::Result;
use reactor::filter::throttle::Throttle;
use reactor::testing::{FilterDriver, TestReactor};
use reactor::{Connection, Context, Protocol, Raw};

const TICK: Duration = Duration::from_millis(1);

fn within(actual: usize, expected: usize, percent: usize) {
    let difference = actual.abs_diff(expected);
    assert!(
        difference * 100 <= expected * percent,
        "{actual} instead of {expected}"
    );
}

/// How much each of `drivers` has sent and received after `ticks`, if it always could.
fn run(drivers: &mut [FilterDriver], ticks: u32, tick: Duration) -> Vec<(usize, usize)> {
    let mut done = vec![(0, 0); drivers.len()];
    for driver in &mut *drivers {
        driver.send(vec![0; 20_000_000]).unwrap();
    }
    for _ in 0..ticks {
        for (driver, done) in drivers.iter_mut().zip(&mut done) {
            while driver.read_limit() > 0 {
                let most = driver.read_limit().min(64 * 1024);
                driver.receive(vec![0; most]).unwrap();
                done.1 += driver.delivered().len();
            }
            driver.advance(tick).unwrap();
            done.0 += driver.sent().len();
        }
    }
    done
}

#[test]
fn the_rate_holds_over_ten_seconds() {
    for rate in [1000, 100_000, 1_500_000] {
        let throttle = Throttle::new().bytes_per_second(rate);
        let mut drivers = [FilterDriver::new(throttle.filter()).unwrap()];
        let (sent, received) = run(&mut drivers, 10_000, TICK)[0];
        let expected = usize::try_from(rate).unwrap() * 10;
        within(sent, expected, 5);
        within(received, expected, 5);
    }
}

#[test]
fn late_timers_do_not_lower_it() {
    let throttle = Throttle::new().bytes_per_second(1_000_000);
    let mut drivers = [FilterDriver::new(throttle.filter()).unwrap()];
    let (sent, received) = run(&mut drivers, 10_000 / 17, 17 * TICK)[0];
    within(sent, 10_000_000, 5);
    within(received, 10_000_000, 5);
}

#[test]
fn a_shared_rate_is_shared_fairly() {
    let throttle = Throttle::new().shared_bytes_per_second(1_000_000);
    let mut drivers: Vec<_> = (0..7)
        .map(|_| FilterDriver::new(throttle.filter()).unwrap())
        .collect();
    let done = run(&mut drivers, 10_000, TICK);
    within(done.iter().map(|done| done.0).sum(), 10_000_000, 5);
    within(done.iter().map(|done| done.1).sum(), 10_000_000, 5);
    for (sent, received) in done {
        within(sent, 10_000_000 / 7, 20);
        within(received, 10_000_000 / 7, 20);
    }
}

#[test]
fn both_limits_hold() {
    let throttle = Throttle::new()
        .bytes_per_second(200_000)
        .shared_bytes_per_second(500_000);
    let mut one = [FilterDriver::new(throttle.filter()).unwrap()];
    within(run(&mut one, 5000, TICK)[0].0, 1_000_000, 5);
    drop(one);
    let throttle = Throttle::new()
        .bytes_per_second(200_000)
        .shared_bytes_per_second(500_000);
    let mut drivers: Vec<_> = (0..5)
        .map(|_| FilterDriver::new(throttle.filter()).unwrap())
        .collect();
    let done = run(&mut drivers, 5000, TICK);
    within(done.iter().map(|done| done.0).sum(), 2_500_000, 5);
}

#[test]
fn without_a_limit_everything_passes_at_once() {
    let mut driver = FilterDriver::new(Throttle::new().filter()).unwrap();
    driver.send(vec![0; 1_000_000]).unwrap();
    assert_eq!(driver.sent().len(), 1_000_000);
    driver.receive(vec![0; 64 * 1024]).unwrap();
    assert_ne!(driver.read_limit(), 0);
    assert_eq!(driver.wake_at(), None);
}

#[test]
fn nothing_is_kept_back_of_what_has_come() {
    let mut driver = FilterDriver::new(Throttle::new().bytes_per_second(10).filter()).unwrap();
    driver.receive(vec![1; 1000]).unwrap();
    assert_eq!(driver.delivered().len(), 1000);
    assert_eq!(driver.read_limit(), 0);
    driver.advance(Duration::from_secs(99)).unwrap();
    assert_eq!(driver.read_limit(), 0);
    driver.advance(Duration::from_secs(1)).unwrap();
    assert_ne!(driver.read_limit(), 0);
}

/// Counts what its protocol gets.
struct Counts(Rc<Cell<usize>>);

impl Protocol for Counts {
    type Framing = Raw;

    fn received(&mut self, _: &mut Context<'_, Self>, data: &[u8]) -> Result<()> {
        self.0.set(self.0.get() + data.len());
        Ok(())
    }
}

#[test]
fn connections_that_share_a_rate_are_paused_and_keep_nothing() {
    const CONNECTIONS: usize = 5;
    let reactor = TestReactor::new();
    let throttle = Throttle::new().shared_bytes_per_second(1_000_000);
    let mut all = Vec::new();
    for _ in 0..CONNECTIONS {
        let received = Rc::new(Cell::new(0));
        let protocol = Counts(Rc::clone(&received));
        let (connecting, peer) = reactor.connect_to_peer_through(throttle.filter(), protocol);
        connecting.into_result().unwrap().unwrap();
        all.push((peer, received, 0, false));
    }
    // Each peer sends all that the network takes, for ten seconds.
    for _ in 0..10_000 {
        for (peer, received, sent, was_paused) in &mut all {
            *sent += peer.try_send(&[0; 100_000]);
            *was_paused |= received.get() < *sent;
        }
        reactor.advance(TICK);
        for (_, received, sent, _) in &all {
            // The rest is in the network, which takes 64 KiB: the connection has nothing.
            assert!(sent - received.get() <= 64 * 1024);
        }
    }
    within(all.iter().map(|one| one.1.get()).sum(), 10_000_000, 5);
    for (_, received, _, was_paused) in &all {
        within(received.get(), 10_000_000 / CONNECTIONS, 20);
        assert!(was_paused);
    }
}

#[test]
fn a_producer_is_paused_at_the_rate() {
    let reactor = TestReactor::new();
    let throttle = Throttle::new().bytes_per_second(100_000);
    let received = Rc::new(Cell::new(0));
    let protocol = Counts(Rc::clone(&received));
    let (connecting, peer) = reactor.connect_to_peer_through(throttle.filter(), protocol);
    let connection = connecting.into_result().unwrap().unwrap();
    // Writes a piece whenever the connection has room: never more than that waits.
    fn write(connection: &Connection<Counts>) {
        connection.write([0; 1000]).unwrap();
        let again = connection.clone();
        let ready = connection.ready();
        ready
            .add_callback(move |()| {
                write(&again);
                Ok(())
            })
            .ignore();
    }
    write(&connection);
    let mut sent = 0;
    for _ in 0..10_000 {
        reactor.advance(TICK);
        sent += peer.received().len();
        assert!(connection.buffered().unwrap() <= 65 * 1024);
    }
    within(sent, 1_000_000, 5);
    connection.abort();
}
