//! Throttling filters by themselves: rates, and fairness.

use reactor::filter::throttle::Throttle;
use reactor::testing::FilterDriver;
use std::time::Duration;

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
