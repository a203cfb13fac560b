//! The operations on the clock, as they are read.

use std::sync::Arc;

use serde_json::Value;

use crate::program::{Id, Op, Parsed, Spec, array, field, int, text};

/// One step of a program that concerns the clock. Times are in ticks.
#[derive(Clone, Debug)]
pub(crate) enum ClockOp {
    Advance(u64),
    /// So many times so many ticks.
    Pump(u64, u64),
    CallLater(Id, u64, Arc<[Op]>),
    CancelCall(Id),
    ResetCall(Id, u64),
    DelayCall(Id, u64),
    IsCallActive(Id),
    AddTimeout(Id, u64, Option<Arc<Spec>>),
    DeferLater(Id, u64, Option<Arc<Spec>>),
    Loop(Id, Arc<Script>),
    StartLoop {
        number: Id,
        d: Id,
        interval: u64,
        now: bool,
    },
    StopLoop(Id),
    ResetLoop(Id),
}

/// What the calls of a loop come to.
#[derive(Debug)]
pub(crate) struct Script {
    /// Of the first ones.
    pub(crate) first: Vec<Spec>,
    /// Of the others.
    pub(crate) default: Spec,
    pub(crate) is_counting: bool,
}

impl ClockOp {
    /// Reads an operation; `None` if it has nothing to do with the clock.
    pub(crate) fn parse(json: &Value) -> Parsed<Option<Self>> {
        let id = |name| int(json, name);
        let ticks = |name| int(json, name).map(i64::unsigned_abs);
        let function = || json.get("f").map(Spec::parse).transpose();
        let op = match text(json, "op")? {
            "advance" => Self::Advance(ticks("t")?),
            "pump" => Self::Pump(ticks("n")?, ticks("t")?),
            "call_later" => {
                let acts = json.get("acts").and_then(Value::as_array);
                let acts = acts.into_iter().flatten().map(Op::parse);
                Self::CallLater(id("c")?, ticks("t")?, acts.collect::<Parsed<_>>()?)
            }
            "dc_cancel" => Self::CancelCall(id("c")?),
            "dc_reset" => Self::ResetCall(id("c")?, ticks("t")?),
            "dc_delay" => Self::DelayCall(id("c")?, ticks("t")?),
            "dc_active" => Self::IsCallActive(id("c")?),
            "add_timeout" => Self::AddTimeout(id("d")?, ticks("t")?, function()?.map(Arc::new)),
            "defer_later" => Self::DeferLater(id("d")?, ticks("t")?, function()?.map(Arc::new)),
            "loop" => Self::Loop(id("n")?, Arc::new(Script::parse(json)?)),
            "loop_start" => Self::StartLoop {
                number: id("n")?,
                d: id("d")?,
                interval: ticks("interval")?,
                now: flag(json, "now", true),
            },
            "loop_stop" => Self::StopLoop(id("n")?),
            "loop_reset" => Self::ResetLoop(id("n")?),
            _ => return Ok(None),
        };
        Ok(Some(op))
    }
}

impl Script {
    fn parse(json: &Value) -> Parsed<Self> {
        let first = array(json, "script")?.iter().map(Spec::parse);
        Ok(Self {
            first: first.collect::<Parsed<_>>()?,
            default: Spec::parse(field(json, "default")?)?,
            is_counting: flag(json, "count", false),
        })
    }
}

fn flag(json: &Value, name: &str, unsaid: bool) -> bool {
    json.get(name).and_then(Value::as_bool).unwrap_or(unsaid)
}
