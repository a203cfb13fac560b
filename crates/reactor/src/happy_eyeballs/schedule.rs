//! Schedule of connection attempts (RFC 8305): their order and times, as a state machine without
//! I/O.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// Connection Attempt Delay of RFC 8305, section 8.
pub(super) const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// The next step of the race.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Begin to connect to this address, and call `next` again.
    Attempt(SocketAddr),
    /// Call `next` again at this time, or when an attempt has failed.
    WaitUntil(Duration),
    /// No address is left: call `next` again when an attempt has failed.
    Wait,
    /// All attempts have failed.
    GiveUp,
}

/// Addresses of one name that were not tried yet, and the state of the attempts.
#[derive(Debug)]
pub(super) struct Schedule {
    waiting: VecDeque<SocketAddr>,
    running: usize,
    /// The earliest time of the next attempt; with `None`, it may begin at once. Set when an
    /// attempt begins; cleared when one fails.
    next_at: Option<Duration>,
}

impl Schedule {
    pub(super) fn new(addresses: &[SocketAddr]) -> Self {
        Self {
            waiting: interleaved(addresses),
            running: 0,
            next_at: None,
        }
    }

    pub(super) fn next(&mut self, now: Duration) -> Step {
        if self.waiting.is_empty() {
            return if self.running == 0 {
                Step::GiveUp
            } else {
                Step::Wait
            };
        }
        if let Some(at) = self.next_at
            && at > now
        {
            return Step::WaitUntil(at);
        }
        match self.waiting.pop_front() {
            Some(address) => {
                self.running += 1;
                // The delay counts from the beginning of the latest attempt (RFC 8305, section 5).
                self.next_at = Some(now.saturating_add(ATTEMPT_DELAY));
                Step::Attempt(address)
            }
            None => Step::Wait,
        }
    }

    /// An attempt has failed: the next one may begin at once.
    pub(super) fn failed(&mut self) {
        self.running = self.running.saturating_sub(1);
        // The delay is for addresses that do not answer; this one has answered.
        self.next_at = None;
    }
}

/// Interleaves the two families, beginning with that of the first address; within a family, the
/// order of the resolver stays (RFC 8305, section 4, with a First Address Family Count of 1).
/// Duplicates are removed.
fn interleaved(addresses: &[SocketAddr]) -> VecDeque<SocketAddr> {
    // Keeps the order of the resolver, which has sorted the addresses (RFC 6724). A linear search
    // is good enough for the few addresses of a name.
    let mut distinct: Vec<SocketAddr> = Vec::with_capacity(addresses.len());
    for address in addresses {
        if !distinct.contains(address) {
            distinct.push(*address);
        }
    }
    let first_is_v6 = distinct.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = distinct
        .into_iter()
        .partition(|address| address.is_ipv6() == first_is_v6);
    let mut order = VecDeque::with_capacity(first.len() + second.len());
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    loop {
        match (first.next(), second.next()) {
            (None, None) => return order,
            (one, other) => order.extend(one.into_iter().chain(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(last: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, last], 80))
    }

    fn v6(last: u16) -> SocketAddr {
        SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, last], 80))
    }

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn families_take_turns_beginning_with_the_first() {
        let order = interleaved(&[v6(1), v6(2), v6(3), v4(1), v4(2)]);
        assert_eq!(order, [v6(1), v4(1), v6(2), v4(2), v6(3)]);
        let order = interleaved(&[v4(1), v6(1), v6(2)]);
        assert_eq!(order, [v4(1), v6(1), v6(2)]);
        let order = interleaved(&[v4(1), v4(2)]);
        assert_eq!(order, [v4(1), v4(2)]);
        assert!(interleaved(&[]).is_empty());
    }

    #[test]
    fn an_address_is_tried_once() {
        assert_eq!(interleaved(&[v4(1), v6(1), v4(1)]), [v4(1), v6(1)]);
    }

    #[test]
    fn an_attempt_that_does_not_answer_holds_up_the_next_for_the_delay() {
        let mut schedule = Schedule::new(&[v6(1), v4(1)]);
        assert_eq!(schedule.next(ms(10)), Step::Attempt(v6(1)));
        assert_eq!(schedule.next(ms(10)), Step::WaitUntil(ms(260)));
        assert_eq!(schedule.next(ms(259)), Step::WaitUntil(ms(260)));
        assert_eq!(schedule.next(ms(260)), Step::Attempt(v4(1)));
        assert_eq!(schedule.next(ms(260)), Step::Wait);
    }

    #[test]
    fn a_refusal_is_followed_by_the_next_attempt_at_once() {
        let mut schedule = Schedule::new(&[v6(1), v4(1), v4(2)]);
        assert_eq!(schedule.next(ms(0)), Step::Attempt(v6(1)));
        schedule.failed();
        assert_eq!(schedule.next(ms(1)), Step::Attempt(v4(1)));
        // The delay counts from the latest attempt.
        assert_eq!(schedule.next(ms(1)), Step::WaitUntil(ms(251)));
    }

    #[test]
    fn a_late_refusal_also_brings_the_next_forward() {
        let mut schedule = Schedule::new(&[v6(1), v4(1), v6(2)]);
        assert_eq!(schedule.next(ms(0)), Step::Attempt(v6(1)));
        assert_eq!(schedule.next(ms(250)), Step::Attempt(v4(1)));
        assert_eq!(schedule.next(ms(260)), Step::WaitUntil(ms(500)));
        schedule.failed();
        assert_eq!(schedule.next(ms(260)), Step::Attempt(v6(2)));
    }

    #[test]
    fn it_gives_up_when_the_last_attempt_has_failed() {
        assert_eq!(Schedule::new(&[]).next(ms(0)), Step::GiveUp);
        let mut schedule = Schedule::new(&[v6(1), v4(1)]);
        assert_eq!(schedule.next(ms(0)), Step::Attempt(v6(1)));
        schedule.failed();
        assert_eq!(schedule.next(ms(0)), Step::Attempt(v4(1)));
        assert_eq!(schedule.next(ms(0)), Step::Wait);
        schedule.failed();
        assert_eq!(schedule.next(ms(0)), Step::GiveUp);
    }
}
