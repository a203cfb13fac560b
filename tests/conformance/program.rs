//! Programs: reading them into typed operations.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::clock_ops::ClockOp;
use crate::combination::Combination;
use crate::primitive::OnPrimitive;

/// What programs call their Deferreds by.
pub(crate) type Id = i64;

/// One thing that happened, as it stands in the file: `["cb", 1, 5]`.
pub(crate) type Event = Value;

/// A program and what Twisted did with it.
pub(crate) struct Program {
    pub(crate) id: String,
    pub(crate) tags: Vec<String>,
    pub(crate) ops: Vec<Op>,
    /// The operations as they stand in the file, to be printed.
    pub(crate) source: Vec<Value>,
    /// Only these are to be reported at the end; all, if it is `None`.
    pub(crate) finals: Option<BTreeSet<Id>>,
    /// One group of events for each operation, and one for the end.
    pub(crate) trace: Vec<Vec<Event>>,
}

/// One step of a program, or something that a callback does.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    New(Id, Option<Canceller>),
    Succeed(Id, i64),
    Fail(Id, i64),
    MaybeDeferred(Id, Arc<Spec>),
    Callback(Id, i64),
    Errback(Id, i64),
    Add(Id, Pair),
    Pause(Id),
    Unpause(Id),
    Chain {
        from: Id,
        to: Id,
    },
    Drop(Id),
    Cancel(Id),
    Clock(ClockOp),
    Combine(Combination),
    OnPrimitive(OnPrimitive),
    /// An unrolled `repeat`: one operation, as far as the trace is concerned.
    Group(Vec<Self>),
}

/// What is added to a Deferred.
#[derive(Clone, Debug)]
pub(crate) enum Pair {
    Callback(Arc<Spec>),
    Errback(Arc<Spec>),
    Both(Arc<Spec>),
    Either(Arc<Spec>, Arc<Spec>),
}

/// What a canceller does when it is called.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Canceller {
    Record,
    Callback(i64),
    Errback(i64),
}

/// What a callback does when it is called.
#[derive(Debug)]
pub(crate) struct Spec {
    /// Under which it is recorded, if it is.
    pub(crate) label: Option<i64>,
    pub(crate) acts: Vec<Op>,
    pub(crate) outcome: Outcome,
}

impl Spec {
    /// What a callback comes to: most give a result, some another Deferred. The
    /// two are added as what they are, so that both ways of returning are tried.
    pub(crate) fn returns_deferred(&self) -> bool {
        matches!(self.outcome, Outcome::ReturnDeferred(_))
    }
}

/// What a callback comes to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    Pass,
    Add(i64),
    Value(i64),
    Raise(i64),
    Trap { code: i64, value: i64 },
    ReturnDeferred(Id),
}

/// Why a program could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// It uses an operation that the interpreter does not have.
    Unsupported(String),
    Malformed(String),
}

pub(crate) type Parsed<T> = Result<T, Unreadable>;

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported(op) => write!(f, "the interpreter has no operation `{op}`"),
            Self::Malformed(what) => write!(f, "malformed: {what}"),
        }
    }
}

impl Program {
    /// Reads one line of a file.
    pub(crate) fn parse(line: &str) -> Parsed<Self> {
        let json: Value = serde_json::from_str(line).map_err(|e| malformed(&e.to_string()))?;
        let source = array(&json, "ops")?.clone();
        let ops = source.iter().map(Op::parse).collect::<Parsed<Vec<_>>>()?;
        let finals = match json.get("finals") {
            Some(Value::Array(ids)) => Some(ids.iter().filter_map(Value::as_i64).collect()),
            _ => None,
        };
        let tags = json.get("tags").and_then(Value::as_array);
        let trace = array(&json, "trace")?
            .iter()
            .map(|group| group.as_array().cloned())
            .collect::<Option<Vec<_>>>()
            .filter(|trace| trace.len() == ops.len() + 1)
            .ok_or_else(|| malformed("one group of events for each op, and one more"))?;
        Ok(Self {
            id: text(&json, "id")?.to_owned(),
            tags: tags
                .into_iter()
                .flatten()
                .filter_map(|tag| tag.as_str().map(str::to_owned))
                .collect(),
            ops,
            source,
            finals,
            trace,
        })
    }

    pub(crate) fn uses_clock(&self) -> bool {
        self.ops.iter().any(Op::uses_clock)
    }
}

impl Op {
    fn uses_clock(&self) -> bool {
        match self {
            Self::Clock(_) => true,
            Self::Group(ops) => ops.iter().any(Self::uses_clock),
            Self::MaybeDeferred(_, spec) => spec.uses_clock(),
            Self::Add(_, Pair::Callback(f) | Pair::Errback(f) | Pair::Both(f)) => f.uses_clock(),
            Self::Add(_, Pair::Either(f, g)) => f.uses_clock() || g.uses_clock(),
            Self::OnPrimitive(op) => op.spec().is_some_and(Spec::uses_clock),
            _ => false,
        }
    }

    pub(crate) fn parse(json: &Value) -> Parsed<Self> {
        if let Some(combination) = Combination::parse(json)? {
            return Ok(Self::Combine(combination));
        }
        if let Some(op) = OnPrimitive::parse(json)? {
            return Ok(Self::OnPrimitive(op));
        }
        let d = || int(json, "d");
        let spec = |name| Spec::parse(field(json, name)?).map(Arc::new);
        let op = match text(json, "op")? {
            "new" => Self::New(
                d()?,
                json.get("canceller").map(Canceller::parse).transpose()?,
            ),
            "succeed" => Self::Succeed(d()?, int(json, "v")?),
            "fail" => Self::Fail(d()?, int(json, "code")?),
            "maybe_deferred" => Self::MaybeDeferred(d()?, spec("f")?),
            "callback" => Self::Callback(d()?, int(json, "v")?),
            "errback" => Self::Errback(d()?, int(json, "code")?),
            "add_callback" => Self::Add(d()?, Pair::Callback(spec("f")?)),
            "add_errback" => Self::Add(d()?, Pair::Errback(spec("f")?)),
            "add_both" => Self::Add(d()?, Pair::Both(spec("f")?)),
            "add_callbacks" => Self::Add(d()?, Pair::Either(spec("f")?, spec("g")?)),
            "pause" => Self::Pause(d()?),
            "unpause" => Self::Unpause(d()?),
            "chain" => Self::Chain {
                from: d()?,
                to: int(json, "to")?,
            },
            "drop" => Self::Drop(d()?),
            "cancel" => Self::Cancel(d()?),
            "repeat" => Self::Group(unrolled(json)?),
            other => match ClockOp::parse(json)? {
                Some(op) => Self::Clock(op),
                None => return Err(Unreadable::Unsupported(other.to_owned())),
            },
        };
        Ok(op)
    }
}

impl Spec {
    fn uses_clock(&self) -> bool {
        self.acts.iter().any(Op::uses_clock)
    }

    pub(crate) fn parse(json: &Value) -> Parsed<Self> {
        let outcome = match text(json, "do")? {
            "pass" => Outcome::Pass,
            "add" => Outcome::Add(int(json, "k")?),
            "value" => Outcome::Value(int(json, "v")?),
            "raise" => Outcome::Raise(int(json, "code")?),
            "trap" => Outcome::Trap {
                code: int(json, "code")?,
                value: int(json, "v")?,
            },
            "return_deferred" => Outcome::ReturnDeferred(int(json, "d")?),
            other => return Err(Unreadable::Unsupported(other.to_owned())),
        };
        let acts = json.get("acts").and_then(Value::as_array);
        Ok(Self {
            label: json.get("l").and_then(Value::as_i64),
            acts: acts
                .into_iter()
                .flatten()
                .map(Op::parse)
                .collect::<Parsed<_>>()?,
            outcome,
        })
    }
}

impl Canceller {
    fn parse(json: &Value) -> Parsed<Self> {
        match text(json, "do")? {
            "record" => Ok(Self::Record),
            "callback" => Ok(Self::Callback(int(json, "v")?)),
            "errback" => Ok(Self::Errback(int(json, "code")?)),
            other => Err(Unreadable::Unsupported(other.to_owned())),
        }
    }
}

/// The operations of a `repeat`, once for each turn.
fn unrolled(json: &Value) -> Parsed<Vec<Op>> {
    let body = array(json, "ops")?;
    let turns = 0..int(json, "n")?;
    turns
        .flat_map(|turn| body.iter().map(move |op| Op::parse(&at_turn(op, turn))))
        .collect()
}

/// The fields that may hold a pair `[a, b]`, standing for `a * turn + b`.
const COUNTED: [&str; 11] = ["d", "to", "v", "k", "code", "p", "c", "t", "n", "l", "ds"];

fn at_turn(json: &Value, turn: i64) -> Value {
    let Value::Object(fields) = json else {
        return match json {
            Value::Array(items) => items.iter().map(|item| at_turn(item, turn)).collect(),
            plain => plain.clone(),
        };
    };
    let at_turn_of = |(name, value): (&String, &Value)| {
        let value = if COUNTED.contains(&name.as_str()) {
            counted(value, turn)
        } else {
            at_turn(value, turn)
        };
        (name.clone(), value)
    };
    Value::Object(fields.iter().map(at_turn_of).collect())
}

fn counted(value: &Value, turn: i64) -> Value {
    match value.as_array().map(Vec::as_slice) {
        Some([Value::Number(a), Value::Number(b)]) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => (a * turn + b).into(),
            _ => value.clone(),
        },
        Some(items) => items.iter().map(|item| counted(item, turn)).collect(),
        None => value.clone(),
    }
}

pub(crate) fn malformed(what: &str) -> Unreadable {
    Unreadable::Malformed(what.to_owned())
}

pub(crate) fn field<'a>(json: &'a Value, name: &str) -> Parsed<&'a Value> {
    json.get(name)
        .ok_or_else(|| malformed(&format!("no field `{name}` in {json}")))
}

pub(crate) fn int(json: &Value, name: &str) -> Parsed<i64> {
    field(json, name)?
        .as_i64()
        .ok_or_else(|| malformed(&format!("`{name}` is no integer in {json}")))
}

pub(crate) fn text<'a>(json: &'a Value, name: &str) -> Parsed<&'a str> {
    field(json, name)?
        .as_str()
        .ok_or_else(|| malformed(&format!("`{name}` is no text in {json}")))
}

pub(crate) fn array<'a>(json: &'a Value, name: &str) -> Parsed<&'a Vec<Value>> {
    field(json, name)?
        .as_array()
        .ok_or_else(|| malformed(&format!("`{name}` is no array in {json}")))
}
