//! What is reported when a program is over and its pauses end.
//!
//! In Twisted a pause that is never ended holds a result up for ever, and what it holds
//! is collected unseen. Here a pause ends when its token is dropped: the result goes on,
//! through the program's callbacks, which do nothing any more, and through the stages
//! of the library, which do what they are for. So what was held is reported as it is,
//! or as what those stages make of it, and no other failure is.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::trace::{Normalization, Trace};

/// The code of a failure that a cancel gives.
const CANCELLED: i64 = -1;

/// What [`CANCELLED`] becomes if the time had run out.
const TIMED_OUT: i64 = -2;

/// The code of the failure that a refused `chain_deferred` gives.
const ALREADY_CALLED: i64 = -3;

/// What the failures that pauses held came to.
pub(crate) struct Released {
    /// Those of which nothing was reported.
    pub(crate) unreported: Vec<Value>,
    pub(crate) used: BTreeSet<Normalization>,
}

/// Finds for each code in `released` what it was made of: the codes in `held`, and
/// values. What is in both lists was taken out before.
///
/// # Errors
///
/// The codes for which there is nothing.
pub(crate) fn explain_released(
    held: Vec<Value>,
    released: Vec<Value>,
    ours: &Trace,
) -> Result<Released, Vec<Value>> {
    let mut matching = Matching {
        held,
        used: BTreeSet::new(),
    };
    let unexplained: Vec<_> = released
        .into_iter()
        .filter(|code| !ours.paused_at_end || !matching.explain(code, ours))
        .collect();
    if !unexplained.is_empty() {
        return Err(unexplained);
    }
    Ok(Released {
        unreported: matching.held,
        used: matching.used,
    })
}

/// Where a failure goes that a pause held, if nothing is reported: into a combination
/// that still waits for others, or to the target of a chain, which swallows it if it was
/// cancelled.
pub(crate) fn gone_into(ours: &Trace) -> Option<Normalization> {
    if !ours.paused_at_end {
        None
    } else if ours.stages.combination {
        Some(Normalization::ReleasedIntoResult)
    } else if ours.stages.chain {
        Some(Normalization::ReleasedIntoChain)
    } else {
        None
    }
}

struct Matching {
    held: Vec<Value>,
    used: BTreeSet<Normalization>,
}

impl Matching {
    /// Says what a code that was not held itself was made of, if anything.
    fn explain(&mut self, code: &Value, ours: &Trace) -> bool {
        let made_by = if *code == TIMED_OUT && ours.stages.timeout && self.take(CANCELLED) {
            Normalization::ReleasedIntoTimeout
        } else if *code == ALREADY_CALLED && ours.stages.chain {
            // A value comes to that, too. Of the failures that may have, this is one.
            drop(self.held.pop());
            Normalization::ReleasedIntoChain
        } else if *code == CANCELLED && ours.stages.combination {
            // A value that goes into a race has the others cancelled.
            Normalization::ReleasedIntoResult
        } else if let Some(inside) = codes_inside(code)
            && ours.stages.combination
        {
            for code in inside {
                self.take_value(&code);
            }
            Normalization::ReleasedIntoResult
        } else if ours.dropped_paused > 0 {
            Normalization::DroppedPaused
        } else {
            return false;
        };
        self.used.insert(made_by);
        true
    }

    fn take(&mut self, code: i64) -> bool {
        self.take_value(&code.into())
    }

    fn take_value(&mut self, code: &Value) -> bool {
        let found = self.held.iter().position(|held| held == code);
        found.map(|at| self.held.remove(at)).is_some()
    }
}

/// The codes in that of a combined failure, however deep, and that of each combined one
/// in it.
fn codes_inside(code: &Value) -> Option<Vec<Value>> {
    let direct = match code.as_array()?.as_slice() {
        [_, _, failure] => vec![failure.clone()],
        [_, failures] => failures.as_array()?.clone(),
        _ => return None,
    };
    let deeper = direct.iter().filter_map(codes_inside).flatten();
    let deeper: Vec<_> = deeper.collect();
    Some([direct, deeper].concat())
}
