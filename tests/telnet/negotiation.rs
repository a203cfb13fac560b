//! The negotiation: two sides come to rest, whatever each of them wishes.

use std::collections::VecDeque;

use proptest::prelude::*;
use reactor_telnet::{Negotiation, Side, TelnetOption, Verb};

const OPTION: TelnetOption = TelnetOption::BINARY;

/// One of two sides, with what it grants and what the other one has sent.
#[derive(Default)]
struct End {
    options: Negotiation,
    grants: bool,
    inbox: VecDeque<Verb>,
}

impl End {
    fn wish(&mut self, side: Side, on: bool, other: &mut Self) {
        other.inbox.extend(self.options.request(side, OPTION, on));
    }

    /// Takes one verb; gives whether there was one.
    fn take(&mut self, other: &mut Self) -> bool {
        let Some(verb) = self.inbox.pop_front() else {
            return false;
        };
        let answer = self.options.received(verb, OPTION, self.grants);
        other.inbox.extend(answer.reply);
        true
    }

    fn is_on(&self, side: Side) -> bool {
        self.options.is_on(side, OPTION)
    }
}

/// Passes verbs to and fro until none is left.
fn come_to_rest(a: &mut End, b: &mut End) {
    for _ in 0..100 {
        if !a.take(b) & !b.take(a) {
            return;
        }
    }
    panic!("they go on without an end");
}

proptest! {
    /// Wishes at any time, also while answers are under way.
    #[test]
    fn two_sides_come_to_rest_and_agree(
        grants in any::<(bool, bool)>(),
        steps in proptest::collection::vec(any::<(bool, bool, bool, u8)>(), 0..20),
    ) {
        let mut a = End { grants: grants.0, ..End::default() };
        let mut b = End { grants: grants.1, ..End::default() };
        for (of_a, is_local, on, takes) in steps {
            let side = if is_local { Side::Local } else { Side::Remote };
            if of_a {
                a.wish(side, on, &mut b);
            } else {
                b.wish(side, on, &mut a);
            }
            if takes & 1 == 1 {
                a.take(&mut b);
            }
            if takes & 2 == 2 {
                b.take(&mut a);
            }
        }
        come_to_rest(&mut a, &mut b);
        prop_assert_eq!(a.is_on(Side::Local), b.is_on(Side::Remote));
        prop_assert_eq!(b.is_on(Side::Local), a.is_on(Side::Remote));
        for (end, side) in [(&a, Side::Local), (&a, Side::Remote), (&b, Side::Local), (&b, Side::Remote)] {
            prop_assert!(!end.options.is_pending(side, OPTION));
        }
    }

    /// A peer that sends anything gets at most one verb for each of its own.
    #[test]
    fn a_storm_is_answered_with_no_more_than_it_brings(
        verbs in proptest::collection::vec(0_u8..4, 0..200),
        grants: bool,
    ) {
        let mut options = Negotiation::new();
        let mut replies = 0;
        for verb in &verbs {
            let verb = [Verb::Will, Verb::Wont, Verb::Do, Verb::Dont][usize::from(*verb)];
            replies += usize::from(options.received(verb, OPTION, grants).reply.is_some());
        }
        prop_assert!(replies <= verbs.len());
    }
}

#[test]
fn what_is_on_is_not_answered_again() {
    let mut options = Negotiation::new();
    let first = options.received(Verb::Will, OPTION, true);
    assert_eq!(first.reply, Some(Verb::Do));
    assert_eq!(first.changed, Some((Side::Remote, true)));
    let again = options.received(Verb::Will, OPTION, true);
    assert_eq!((again.reply, again.changed), (None, None));
    let ended = options.received(Verb::Wont, OPTION, true);
    assert_eq!(ended.reply, Some(Verb::Dont));
    assert_eq!(options.received(Verb::Wont, OPTION, true).reply, None);
}

#[test]
fn a_wish_that_changes_while_it_is_asked_for_is_kept() {
    let mut options = Negotiation::new();
    assert_eq!(options.request(Side::Local, OPTION, true), Some(Verb::Will));
    assert_eq!(options.request(Side::Local, OPTION, false), None);
    let answer = options.received(Verb::Do, OPTION, false);
    assert_eq!(answer.reply, Some(Verb::Wont));
    assert_eq!(options.request(Side::Local, OPTION, true), None);
    let answer = options.received(Verb::Dont, OPTION, false);
    assert_eq!(answer.reply, Some(Verb::Will));
    let _ = options.received(Verb::Do, OPTION, false);
    assert!(options.is_on(Side::Local, OPTION));
}

/// Four wishes of each side, as they may be set before a connection: 16 × 16 pairs.
#[test]
fn all_pairs_of_wishes_come_to_rest() {
    for wishes in 0..256_u32 {
        let (mut a, mut b) = (End::default(), End::default());
        let has = |bit: u32| wishes & (1 << bit) != 0;
        (a.grants, b.grants) = (has(0), has(1));
        for (bit, side) in [(2, Side::Local), (3, Side::Remote)] {
            if has(bit) {
                a.wish(side, true, &mut b);
            }
            if has(bit + 2) {
                b.wish(side, true, &mut a);
            }
            if has(6) {
                a.wish(side, false, &mut b);
            }
        }
        come_to_rest(&mut a, &mut b);
        assert_eq!(a.is_on(Side::Local), b.is_on(Side::Remote), "{wishes:#b}");
        assert_eq!(b.is_on(Side::Local), a.is_on(Side::Remote), "{wishes:#b}");
    }
}
