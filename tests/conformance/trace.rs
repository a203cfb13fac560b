//! Traces and how they are compared.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::program::{Event, Program};

/// What happened when a program ran.
pub(crate) struct Trace {
    /// One for each operation.
    pub(crate) groups: Vec<Vec<Event>>,
    pub(crate) finals: Vec<Event>,
    /// The codes of all failures reported when everything was let go, sorted.
    pub(crate) unhandled: Vec<Value>,
    /// How many Deferreds were dropped while the program held a pause of theirs.
    pub(crate) dropped_paused: usize,
    /// The codes of failures that a combined result holds.
    pub(crate) moved: Vec<Value>,
    /// Whether a pause was left at the end, and a combination was made.
    pub(crate) may_release_into_result: bool,
    /// What the machine has made up for while the program ran.
    pub(crate) normalized: BTreeSet<Normalization>,
}

/// A difference from Twisted that was decided on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Normalization {
    SilentPaused,
    ReleasedIntoChain,
    DroppedPaused,
    UnhandledMoved,
    MovedIntoResult,
    ReleasedIntoResult,
    NoFirstValue,
    FirstOfNothing,
}

impl Normalization {
    pub(crate) const ALL: [Self; 8] = [
        Self::SilentPaused,
        Self::ReleasedIntoChain,
        Self::DroppedPaused,
        Self::UnhandledMoved,
        Self::MovedIntoResult,
        Self::ReleasedIntoResult,
        Self::NoFirstValue,
        Self::FirstOfNothing,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::SilentPaused => "silent_paused",
            Self::ReleasedIntoChain => "released_into_chain",
            Self::DroppedPaused => "dropped_paused",
            Self::UnhandledMoved => "unhandled_moved",
            Self::MovedIntoResult => "moved_into_result",
            Self::ReleasedIntoResult => "released_into_result",
            Self::NoFirstValue => "no_first_value",
            Self::FirstOfNothing => "first_of_nothing",
        }
    }

    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::SilentPaused => {
                "a failure held by a paused Deferred is reported; Twisted loses it"
            }
            Self::ReleasedIntoChain => {
                "as silent_paused, but the failure goes on into a chain_deferred when the pause \
                 ends, whose target was fired before: what is reported is AlreadyCalled"
            }
            Self::DroppedPaused => {
                "a Deferred that is dropped while somebody holds a pause lives on in it, and \
                 reports when the pause ends; Twisted reports what its last run left at once"
            }
            Self::UnhandledMoved => {
                "a Deferred that was moved has one owner, which reports its failure when it lets \
                 go; in Twisted the program's own reference keeps it until the end"
            }
            Self::MovedIntoResult => {
                "a failure that is in a combined result was handled; in Twisted the part keeps it, \
                 too, and reports it"
            }
            Self::ReleasedIntoResult => {
                "a part that a pause held up goes on when the pause ends, and its failure into the \
                 combination, which shows or consumes it; in Twisted the part reports it"
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
    /// In ours.
    early: Vec<Value>,
    /// In Twisted's.
    late: Vec<Value>,
}

impl Reports {
    /// Both groups without the reports at their ends, if only one of them has some.
    fn set_aside<'a>(
        &mut self,
        theirs: &'a [Event],
        mine: &'a [Event],
    ) -> (&'a [Event], &'a [Event]) {
        match (split_report(theirs), split_report(mine)) {
            (None, Some((rest, codes))) => {
                self.early.extend_from_slice(codes);
                (theirs, rest)
            }
            (Some((rest, codes)), None) => {
                self.late.extend_from_slice(codes);
                (rest, mine)
            }
            _ => (theirs, mine),
        }
    }

    /// Compares what was reported at the end, and these.
    fn compare(self, end: &RecordedEnd<'_>, ours: &Trace) -> Result<Vec<Normalization>, String> {
        let mut used = Vec::new();
        let mut use_if = |is_used, normalization| {
            if is_used {
                used.push(normalization);
            }
        };
        if !self.late.is_empty() && ours.dropped_paused == 0 {
            return Err(format!("{} not reported in time", Value::from(self.late)));
        }
        let (too_early, moved) = difference(&self.early, &end.moved);
        if !too_early.is_empty() {
            return Err(format!("{} reported too early", Value::from(too_early)));
        }
        use_if(!self.late.is_empty(), Normalization::DroppedPaused);
        use_if(!end.moved.is_empty(), Normalization::UnhandledMoved);
        use_if(!end.silent.is_empty(), Normalization::SilentPaused);

        let held = [&end.silent[..], &moved, &self.late].concat();
        let expected = [&end.unhandled[..], &held].concat();
        let (missing, extra) = difference(&expected, &ours.unhandled);
        let (missing, in_results) = without_moved(missing, &moved, &ours.moved);
        if in_results {
            used.push(Normalization::MovedIntoResult);
        }
        used.extend(&ours.normalized);
        if missing.is_empty() && extra.is_empty() {
            return Ok(used);
        }
        let (not_held, _) = difference(&missing, &held);
        if not_held.is_empty() && extra.is_empty() && ours.may_release_into_result {
            used.push(Normalization::ReleasedIntoResult);
            return Ok(used);
        }
        let are_refused = extra.iter().all(|code| *code == ALREADY_CALLED);
        if not_held.is_empty() && are_refused && missing.len() == extra.len() {
            used.push(Normalization::ReleasedIntoChain);
            return Ok(used);
        }
        Err(format!(
            "unhandled at the end: {} missing, {} too much",
            Value::from(missing),
            Value::from(extra)
        ))
    }
}

/// The code of the failure that a refused `chain_deferred` gives.
const ALREADY_CALLED: i64 = -3;

/// What is only in `a`, and what is only in `b`; each code as often as it is.
fn difference(a: &[Value], b: &[Value]) -> (Vec<Value>, Vec<Value>) {
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

/// A group as its other events and the codes reported at its end, if any were.
fn split_report(group: &[Event]) -> Option<(&[Event], &[Value])> {
    let (last, rest) = group.split_last()?;
    if last[0] != "unhandled" {
        return None;
    }
    Some((rest, last[1].as_array()?))
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
