//! `Negotiation`: which options are on, by the rules of RFC 1143, under which a negotiation ends.

use std::collections::BTreeMap;

use super::code::{TelnetOption, Verb};

/// Which of the two sides uses an option.
///
/// # Examples
///
/// ```
/// use reactor_telnet::{Negotiation, Side, TelnetOption, Verb};
///
/// let mut options = Negotiation::new();
/// // This side asks the peer to use the option.
/// assert_eq!(options.request(Side::Remote, TelnetOption::BINARY, true), Some(Verb::Do));
/// // And offers to use it, too.
/// assert_eq!(options.request(Side::Local, TelnetOption::BINARY, true), Some(Verb::Will));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// This one: its `WILL` and `WONT`, the peer's `DO` and `DONT`.
    Local,
    /// The peer: its `WILL` and `WONT`, this side's `DO` and `DONT`.
    Remote,
}

/// State of one option of one side: the six of RFC 1143.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    No,
    Yes,
    /// This side has asked to turn it off; no answer yet. With `then_yes`, this side asks to turn
    /// it on again after the answer.
    WantNo {
        // The queue bit of WANTNO in RFC 1143: EMPTY, or OPPOSITE if set.
        then_yes: bool,
    },
    /// This side has asked to turn it on; no answer yet. With `then_no`, this side asks to turn it
    /// off after the answer.
    WantYes {
        // The queue bit of WANTYES, likewise.
        then_no: bool,
    },
}

/// The effect of a verb that was received.
///
/// # Examples
///
/// ```
/// use reactor_telnet::{Answer, Negotiation, TelnetOption, Verb};
///
/// let mut options = Negotiation::new();
/// // The option is off already, so there is no answer.
/// assert_eq!(options.received(Verb::Wont, TelnetOption::ECHO, true), Answer::default());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The verb to send, with the same option.
    pub reply: Option<Verb>,
    /// The side and whether the option is on now, if that changed.
    pub changed: Option<(Side, bool)>,
}

/// State of all options of a connection: a state machine whose input and output are verbs.
///
/// Options are off at the beginning. A verb is sent only for a [`request`](Self::request), or in
/// answer to a verb that changes something. So two such machines come to rest, whatever each of
/// them requests.
///
/// # Examples
///
/// ```
/// use reactor_telnet::{Negotiation, Side, TelnetOption, Verb};
///
/// let mut options = Negotiation::new();
/// assert_eq!(options.request(Side::Local, TelnetOption::ECHO, true), Some(Verb::Will));
/// let answer = options.received(Verb::Do, TelnetOption::ECHO, false);
/// assert_eq!((answer.reply, answer.changed), (None, Some((Side::Local, true))));
/// assert!(options.is_on(Side::Local, TelnetOption::ECHO));
/// // An option that is not acceptable is refused.
/// let answer = options.received(Verb::Will, TelnetOption::LINE_MODE, false);
/// assert_eq!((answer.reply, answer.changed), (Some(Verb::Dont), None));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Negotiation {
    /// The states other than [`State::No`], so that refused options, which a peer may ask for
    /// one after the other, take no memory.
    states: BTreeMap<(Side, TelnetOption), State>,
}

impl Negotiation {
    /// All options off.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the side uses the option.
    ///
    /// An option that this side has asked to turn off counts as on until the peer has agreed;
    /// one that this side has asked to turn on counts as off.
    pub fn is_on(&self, side: Side, option: TelnetOption) -> bool {
        // An option has effect until its end is agreed: the peer may have sent data under it before
        // it read the request.
        matches!(self.state(side, option), State::Yes | State::WantNo { .. })
    }

    /// Whether an answer of the peer about the option is awaited.
    pub fn is_pending(&self, side: Side, option: TelnetOption) -> bool {
        !matches!(self.state(side, option), State::Yes | State::No)
    }

    /// Requests that the option is on or off. Returns the verb to send, if one must be sent now.
    ///
    /// The peer may refuse to turn an option on, but not to turn it off.
    #[must_use = "the verb is to be sent"]
    pub fn request(&mut self, side: Side, option: TelnetOption, on: bool) -> Option<Verb> {
        let state = self.state(side, option);
        let (next, sends) = match (state, on) {
            (State::No, true) => (State::WantYes { then_no: false }, true),
            (State::Yes, false) => (State::WantNo { then_yes: false }, true),
            // One request at a time: this one is kept until the answer to the last one has come.
            (State::WantNo { .. }, then_yes) => (State::WantNo { then_yes }, false),
            (State::WantYes { .. }, on) => (State::WantYes { then_no: !on }, false),
            // RFC 854: a verb may not be sent only to announce the state that is there.
            (State::No, false) | (State::Yes, true) => (state, false),
        };
        self.set(side, option, next);
        sends.then(|| verb(side, on))
    }

    /// Handles a verb of the peer. If the verb asks to turn the option on, `acceptable` says
    /// whether to grant that.
    #[must_use = "the reply is to be sent"]
    pub fn received(&mut self, verb_in: Verb, option: TelnetOption, acceptable: bool) -> Answer {
        let (side, on) = match verb_in {
            Verb::Will => (Side::Remote, true),
            Verb::Wont => (Side::Remote, false),
            Verb::Do => (Side::Local, true),
            Verb::Dont => (Side::Local, false),
        };
        let state = self.state(side, option);
        let was_on = self.is_on(side, option);
        let (next, reply) = match (state, on) {
            (State::No, true) if acceptable => (State::Yes, Some(true)),
            (State::No, true) => (State::No, Some(false)),
            // The option has this state already: an answer would be answered in turn, without an
            // end.
            (State::No, false) | (State::Yes, true) => (state, None),
            // Always granted: RFC 854 permits no refusal.
            (State::Yes, false) => (State::No, Some(false)),
            // The answer to this side's request. `true` would be a refusal, which is against the
            // rules: the option is off all the same.
            (State::WantNo { then_yes: false }, _) => (State::No, None),
            // The peer has refused to turn the option off, which is against the rules, too. This
            // side wants it on by now, so nothing is sent.
            (State::WantNo { then_yes: true }, true) => (State::Yes, None),
            (State::WantNo { then_yes: true }, false) => {
                (State::WantYes { then_no: false }, Some(true))
            }
            (State::WantYes { then_no: false }, true) => (State::Yes, None),
            // Granted, but this side wants it off by now. Between the two verbs, the option
            // counts as on, which is reported.
            (State::WantYes { then_no: true }, true) => {
                (State::WantNo { then_yes: false }, Some(false))
            }
            // A refusal. With `then_no`, this side wants the option off, too, so it asks for
            // nothing.
            (State::WantYes { .. }, false) => (State::No, None),
        };
        self.set(side, option, next);
        let is_on = self.is_on(side, option);
        Answer {
            reply: reply.map(|on| verb(side, on)),
            // Compared by `is_on`, as users see it: steps between the pending states are not
            // changes.
            changed: (is_on != was_on).then_some((side, is_on)),
        }
    }

    fn state(&self, side: Side, option: TelnetOption) -> State {
        self.states
            .get(&(side, option))
            .copied()
            .unwrap_or_default()
    }

    fn set(&mut self, side: Side, option: TelnetOption, state: State) {
        if state == State::No {
            self.states.remove(&(side, option));
        } else {
            self.states.insert((side, option), state);
        }
    }
}

/// The verb with which this side requests or accepts that an option of `side` is on or off.
fn verb(side: Side, on: bool) -> Verb {
    match (side, on) {
        (Side::Local, true) => Verb::Will,
        (Side::Local, false) => Verb::Wont,
        (Side::Remote, true) => Verb::Do,
        (Side::Remote, false) => Verb::Dont,
    }
}
