//! Reading the operations that make several Deferreds into one.

use serde_json::Value;

use crate::program::{Id, Parsed, array, int, malformed, text};

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct Combination {
    pub(crate) d: Id,
    pub(crate) parts: Vec<Id>,
    /// Under which its result is recorded.
    pub(crate) label: i64,
    pub(crate) kind: Kind,
    pub(crate) consumes_errors: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Settled { fails_early: bool },
    FirstValue { fails_early: bool },
    Gather,
    Race,
}

impl Combination {
    /// Reads it, if it is one.
    pub(crate) fn parse(json: &Value) -> Parsed<Option<Self>> {
        let is_set = |name: &str| json.get(name).and_then(Value::as_bool).unwrap_or(false);
        let fails_early = is_set("one_eb");
        let kind = match text(json, "op")? {
            "deferred_list" if is_set("one_cb") => Kind::FirstValue { fails_early },
            "deferred_list" => Kind::Settled { fails_early },
            "gather_results" => Kind::Gather,
            "race" => Kind::Race,
            _ => return Ok(None),
        };
        let parts = array(json, "ds")?.iter().map(Value::as_i64);
        Ok(Some(Self {
            d: int(json, "d")?,
            parts: parts
                .collect::<Option<_>>()
                .ok_or_else(|| malformed("`ds` is no list of integers"))?,
            label: int(json, "l")?,
            kind,
            consumes_errors: is_set("consume"),
        }))
    }
}
