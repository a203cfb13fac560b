//! Operations on locks, semaphores and queues.

use std::sync::Arc;

use serde_json::json;

use super::flavour::{
    self, Deferred, DeferredLock, DeferredQueue, DeferredSemaphore, LockGuard, Permit,
};
use super::world::Machine;
use crate::primitive::{OnPrimitive, What};
use crate::program::{Id, Spec};

#[derive(Clone)]
pub(crate) enum Primitive {
    Lock(DeferredLock),
    Semaphore(DeferredSemaphore),
    Queue(DeferredQueue),
}

/// What a program holds of a lock or a semaphore.
#[expect(dead_code, reason = "holding it is all that is done with it")]
pub(crate) enum Guard {
    Lock(LockGuard),
    Permit(Permit),
}

impl Machine {
    pub(crate) fn act_on(&self, op: &OnPrimitive) {
        let p = op.p;
        match op.what {
            What::MakeLock => self.enter_primitive(p, Primitive::Lock(DeferredLock::new())),
            What::MakeSemaphore(tokens) => match DeferredSemaphore::new(tokens) {
                Ok(semaphore) => self.enter_primitive(p, Primitive::Semaphore(semaphore)),
                Err(refused) => self.record(json!(["refused", refused.to_string()])),
            },
            What::MakeQueue { size, backlog } => {
                let queue = DeferredQueue::with_limits(size, backlog);
                self.enter_primitive(p, Primitive::Queue(queue));
            }
            What::Acquire(d) => self.acquire(p, d),
            What::Release => match self.take_guard(p) {
                Some(guard) => drop(guard),
                None => self.record(json!(["not_held", p])),
            },
            What::Run(d, ref spec) => self.run(p, d, spec),
            What::Put(value) => {
                if self.queue(p).is_none_or(|queue| queue.put(value).is_err()) {
                    self.record(json!(["overflow", p]));
                }
            }
            What::Get(d) => match self.queue(p).map(|queue| queue.get()) {
                Some(Ok(item)) => self.enter(d, item),
                _ => self.record(json!(["underflow", p])),
            },
        }
    }

    fn queue(&self, p: Id) -> Option<DeferredQueue> {
        match self.primitive(p) {
            Some(Primitive::Queue(queue)) => Some(queue),
            _ => None,
        }
    }

    fn acquire(&self, p: Id, d: Id) {
        let machine = self.clone();
        let keep = move |guard| {
            machine.record_unless_over(json!(["acquired", d]));
            machine.enter_guard(p, guard);
        };
        let acquired = match self.primitive(p) {
            Some(Primitive::Lock(lock)) => lock
                .acquire()
                .add_callback(move |guard| keep(Guard::Lock(guard))),
            Some(Primitive::Semaphore(semaphore)) => {
                let permit = semaphore.acquire();
                permit.add_callback(move |permit| keep(Guard::Permit(permit)))
            }
            _ => return self.record(json!(["no such primitive", p])),
        };
        self.enter(d, acquired.add_callback(|()| Ok(0)));
    }

    fn run(&self, p: Id, d: Id, spec: &Arc<Spec>) {
        let (machine, spec) = (self.clone(), Arc::clone(spec));
        let body = move || machine.call_without_input(&spec);
        let ran: Deferred = match self.primitive(p) {
            Some(Primitive::Lock(lock)) => lock.run(body),
            Some(Primitive::Semaphore(semaphore)) => semaphore.run(body),
            _ => flavour::succeed(0),
        };
        self.enter(d, ran);
    }
}
