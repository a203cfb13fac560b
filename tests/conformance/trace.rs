//! Traces and how they are compared.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::program::{Event, Program};
use crate::released::{explain_released, gone_into};

/// What happened when a program ran.
pub(crate) struct Trace {
    /// One for each operation.
    pub(crate) groups: Vec<Vec<Event>>,
    pub(crate) finals: Vec<Event>,
    /// The codes of the failures reported when the Deferreds were let go, sorted.
    pub(crate) unhandled: Vec<Value>,
    /// The codes of the failures reported when the pauses ended after that, sorted.
    pub(crate) released: Vec<Value>,
    /// How many Deferreds were dropped while the program held a pause of theirs.
    pub(crate) dropped_paused: usize,
    /// The codes of failures that a combined result holds.
    pub(crate) moved: Vec<Value>,
    /// Whether a combination had no result at the end: it may hold further failures.
    pub(crate) has_unfinished: bool,
    /// Whether the program held a pause at its end.
    pub(crate) paused_at_end: bool,
    /// Which stages of the library a pause may hold up.
    pub(crate) stages: Stages,
    /// What the machine has made up for while the program ran.
    pub(crate) normalized: BTreeSet<Normalization>,
}

/// The stages that were added by the library, as opposed to those of the program.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stages {
    pub(crate) chain: bool,
    pub(crate) combination: bool,
    pub(crate) timeout: bool,
}

/// A difference from Twisted that was decided on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Normalization {
    SilentPaused,
    ReleasedIntoChain,
    ReleasedIntoResult,
    ReleasedIntoTimeout,
    DroppedPaused,
    UnhandledMoved,
    MovedIntoResult,
    NoFirstValue,
    FirstOfNothing,
}

impl Normalization {
    pub(crate) const ALL: [Self; 9] = [
        Self::SilentPaused,
        Self::ReleasedIntoChain,
        Self::ReleasedIntoResult,
        Self::ReleasedIntoTimeout,
        Self::DroppedPaused,
        Self::UnhandledMoved,
        Self::MovedIntoResult,
        Self::NoFirstValue,
        Self::FirstOfNothing,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::SilentPaused => "silent_paused",
            Self::ReleasedIntoChain => "released_into_chain",
            Self::ReleasedIntoResult => "released_into_result",
            Self::ReleasedIntoTimeout => "released_into_timeout",
            Self::DroppedPaused => "dropped_paused",
            Self::UnhandledMoved => "unhandled_moved",
            Self::MovedIntoResult => "moved_into_result",
            Self::NoFirstValue => "no_first_value",
            Self::FirstOfNothing => "first_of_nothing",
        }
    }

    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::SilentPaused => {
                "a failure held by a paused Deferred is reported when the pause ends; Twisted \
                 loses it"
            }
            Self::ReleasedIntoChain => {
                "a result that a pause held up goes on when the pause ends, and into a \
                 chain_deferred whose target was fired before, which makes it AlreadyCalled, or \
                 cancelled before, which swallows it"
            }
            Self::ReleasedIntoResult => {
                "a part that a pause held up goes on when the pause ends, and its failure into the \
                 combination, which shows or consumes it; in Twisted the part reports it, or \
                 it is lost"
            }
            Self::ReleasedIntoTimeout => {
                "a Deferred whose time ran out while a pause held it up goes on when the pause \
                 ends, and Cancelled becomes TimedOut; in Twisted it is lost before"
            }
            Self::DroppedPaused => {
                "a Deferred that is dropped while a pause is held lives on in that pause, and \
                 reports when it ends; Twisted reports at once what its last run left, and \
                 nothing else"
            }
            Self::UnhandledMoved => {
                "a Deferred that was moved has one owner, which reports its failure when it lets \
                 go; in Twisted the program's own reference keeps it until the end"
            }
            Self::MovedIntoResult => {
                "a failure that is in a combined result, or in what is to be one, was handled; in \
                 Twisted the part keeps it, too, and reports it"
            }
            Self::NoFirstValue => {
                "fire_on_one_callback without a success fails with FailureGroup; Twisted's has \
                 two types of results, and gives the list"
            }
            Self::FirstOfNothing => {
                "the first value of nothing is a failure at once; Twisted's Deferred never fires"
            }
        }
    }
}

/// How a run compares with what Twisted did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Same,
    /// The same but for these.
    Normalized(Vec<Normalization>),
    /// The number of the group that differs first, and what to say of it.
    Different {
        group: usize,
        what: String,
    },
}

/// The end of a recorded trace: final states, then up to three lists of codes.
struct RecordedEnd<'a> {
    finals: &'a [Event],
    unhandled: Vec<Value>,
    moved: Vec<Value>,
    silent: Vec<Value>,
}

impl<'a> RecordedEnd<'a> {
    fn read(events: &'a [Event]) -> Self {
        let is_final = |event: &Event| event[0] == "final";
        let finals = events.iter().take_while(|event| is_final(event)).count();
        let (finals, lists) = events.split_at(finals);
        let codes = |name: &str| {
            let list = lists.iter().find(|event| event[0] == name);
            list.and_then(|event| event[1].as_array().cloned())
                .unwrap_or_default()
        };
        Self {
            finals,
            unhandled: codes("unhandled"),
            moved: codes("unhandled_moved"),
            silent: codes("silent_paused"),
        }
    }
}

/// Compares `ours` with the trace recorded in `program`.
pub(crate) fn compare(program: &Program, ours: &Trace) -> Comparison {
    let Some((end, groups)) = program.trace.split_last() else {
        return different(0, "no trace was recorded");
    };
    let end = RecordedEnd::read(end);

    let mut reports = Reports::default();
    for (index, (theirs, mine)) in groups.iter().zip(&ours.groups).enumerate() {
        let (theirs, mine) = reports.set_aside(theirs, mine);
        if let Some(what) = first_difference(theirs, mine) {
            return different(index, &what);
        }
    }
    let last = groups.len();
    let what = first_difference(end.finals, &ours.finals);
    match what.map_or_else(|| reports.compare(&end, ours), Err) {
        Ok(used) if used.is_empty() => Comparison::Same,
        Ok(used) => Comparison::Normalized(used),
        Err(what) => different(last, &what),
    }
}

/// Reports that came during an operation in one of the traces only.
#[derive(Default)]
struct Reports {
    /// In ours, and not in Twisted's until now.
    early: Vec<Value>,
    /// In Twisted's, and not in ours before.
    late: Vec<Value>,
    used: BTreeSet<Normalization>,
}

impl Reports {
    /// Both groups without the reports at their ends.
    fn set_aside<'a>(
        &mut self,
        theirs: &'a [Event],
        mine: &'a [Event],
    ) -> (&'a [Event], &'a [Event]) {
        let (theirs, their_codes) = split_report(theirs);
        let (mine, my_codes) = split_report(mine);
        let (late, early) = difference(their_codes, my_codes);
        let (late, still_early) = difference(&late, &self.early);
        if still_early.len() < self.early.len() {
            self.used.insert(Normalization::UnhandledMoved);
        }
        self.early = [still_early, early].concat();
        self.late.extend(late);
        (theirs, mine)
    }

    /// Compares what was reported at the end, and these.
    fn compare(
        mut self,
        end: &RecordedEnd<'_>,
        ours: &Trace,
    ) -> Result<Vec<Normalization>, String> {
        let mut use_if = |is_used, normalization| {
            if is_used {
                self.used.insert(normalization);
            }
        };
        let (too_early, moved) = difference(&self.early, &end.moved);
        if !too_early.is_empty() {
            return Err(format!("{} reported too early", Value::from(too_early)));
        }
        use_if(!end.moved.is_empty(), Normalization::UnhandledMoved);
        use_if(!end.silent.is_empty(), Normalization::SilentPaused);

        let (late, shown) = difference(&self.late, &ours.moved);
        use_if(late.len() < self.late.len(), Normalization::MovedIntoResult);
        if !late.is_empty() && ours.dropped_paused == 0 {
            return Err(format!("{} not reported in time", Value::from(late)));
        }
        use_if(!late.is_empty(), Normalization::DroppedPaused);

        // Before any pause ends, what Twisted reports is reported, and nothing else.
        let expected = [&end.unhandled[..], &moved].concat();
        let (missing, extra) = difference(&expected, &ours.unhandled);
        if !extra.is_empty() {
            return Err(format!("{} too much", Value::from(extra)));
        }
        let held = [missing, end.silent.clone(), late].concat();
        let (held, released) = difference(&held, &ours.released);
        let released = explain_released(held, released, ours)
            .map_err(|codes| format!("{} too much when pauses end", Value::from(codes)))?;
        let shown = if ours.has_unfinished { &moved } else { &shown };
        let (missing, in_results) = without_moved(released.unreported, &moved, shown);
        use_if(in_results, Normalization::MovedIntoResult);
        self.used.extend(released.used);
        if !missing.is_empty() {
            let gone_into = gone_into(ours);
            self.used.extend(gone_into);
            if gone_into.is_none() {
                return Err(format!("{} not reported at the end", Value::from(missing)));
            }
        }
        self.used.extend(&ours.normalized);
        Ok(self.used.into_iter().collect())
    }
}

/// What is only in `a`, and what is only in `b`; each code as often as it is.
pub(crate) fn difference(a: &[Value], b: &[Value]) -> (Vec<Value>, Vec<Value>) {
    let mut only_in_b = b.to_vec();
    let mut only_in_a = Vec::new();
    for code in a {
        match only_in_b.iter().position(|other| other == code) {
            Some(at) => drop(only_in_b.remove(at)),
            None => only_in_a.push(code.clone()),
        }
    }
    (only_in_a, only_in_b)
}

/// `missing` without what is both in `moved` and in `shown`, and whether there was
/// any.
fn without_moved(missing: Vec<Value>, moved: &[Value], shown: &[Value]) -> (Vec<Value>, bool) {
    let (not_shown, _) = difference(moved, shown);
    let (moved_and_shown, _) = difference(moved, &not_shown);
    let (still_missing, _) = difference(&missing, &moved_and_shown);
    let has_some = still_missing.len() < missing.len();
    (still_missing, has_some)
}

/// A group as its other events and the codes reported at its end.
fn split_report(group: &[Event]) -> (&[Event], &[Value]) {
    match group.split_last() {
        Some((last, rest)) if last[0] == "unhandled" => {
            let codes = last[1].as_array();
            (rest, codes.map_or(&[], Vec::as_slice))
        }
        _ => (group, &[]),
    }
}

fn first_difference(theirs: &[Event], mine: &[Event]) -> Option<String> {
    let common = theirs.iter().zip(mine).take_while(|(a, b)| a == b).count();
    match (theirs.get(common), mine.get(common)) {
        (None, None) => None,
        (Some(theirs), Some(mine)) => Some(format!("expected {theirs}, got {mine}")),
        (Some(theirs), None) => Some(format!("expected {theirs}, got nothing more")),
        (None, Some(mine)) => Some(format!("expected nothing more, got {mine}")),
    }
}

fn different(group: usize, what: &str) -> Comparison {
    Comparison::Different {
        group,
        what: what.to_owned(),
    }
}
