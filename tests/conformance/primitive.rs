//! Reading the operations on locks, semaphores and queues.

use std::sync::Arc;

use serde_json::Value;

use crate::program::{Id, Parsed, Spec, field, int, malformed, text};

/// One of them, on the lock, semaphore or queue of that number.
#[derive(Clone, Debug)]
pub(crate) struct OnPrimitive {
    pub(crate) p: Id,
    pub(crate) what: What,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    MakeLock,
    MakeSemaphore(usize),
    MakeQueue {
        size: Option<usize>,
        backlog: Option<usize>,
    },
    Acquire(Id),
    Release,
    Run(Id, Arc<Spec>),
    Put(i64),
    Get(Id),
}

impl OnPrimitive {
    /// The function that is called with it.
    pub(crate) fn spec(&self) -> Option<&Spec> {
        match &self.what {
            What::Run(_, spec) => Some(spec),
            _ => None,
        }
    }

    /// Reads it, if it is one.
    pub(crate) fn parse(json: &Value) -> Parsed<Option<Self>> {
        let d = || int(json, "d");
        let what = match text(json, "op")? {
            "lock" => What::MakeLock,
            "semaphore" => What::MakeSemaphore(count(int(json, "tokens")?)?),
            "queue" => What::MakeQueue {
                size: limit(json, "size")?,
                backlog: limit(json, "backlog")?,
            },
            "acquire" => What::Acquire(d()?),
            "release" => What::Release,
            "run" => What::Run(d()?, Arc::new(Spec::parse(field(json, "f")?)?)),
            "put" => What::Put(int(json, "v")?),
            "get" => What::Get(d()?),
            _ => return Ok(None),
        };
        let p = int(json, "p")?;
        Ok(Some(Self { p, what }))
    }
}

fn limit(json: &Value, name: &str) -> Parsed<Option<usize>> {
    let limit = json.get(name).and_then(Value::as_i64);
    limit.map(count).transpose()
}

fn count(number: i64) -> Parsed<usize> {
    usize::try_from(number).map_err(|_| malformed("a count is not negative"))
}
