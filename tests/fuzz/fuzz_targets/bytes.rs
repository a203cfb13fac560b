//! Makes a program of bytes: any bytes are one, and similar bytes are similar ones.
//! Those that are missing at the end count as 0.

use std::sync::Arc;

use crate::program::{
    Canceller, Cancelling, Capture, Given, Op, Outcome, PLACES, Pair, Place, Size, Spec,
};

/// How deep callbacks that add callbacks may be nested.
const DEPTH: u32 = 3;
/// How many operations a program has at most.
const LONGEST: usize = 64;

/// The program that `data` stands for.
pub(crate) fn program(data: &[u8]) -> Vec<Op> {
    let mut bytes = Bytes(data);
    let mut ops = Vec::new();
    while !bytes.0.is_empty() && ops.len() < LONGEST {
        ops.push(bytes.op(DEPTH));
    }
    ops
}

struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn below(&mut self, limit: u8) -> u8 {
        let Some((&byte, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        byte % limit
    }

    fn op(&mut self, depth: u32) -> Op {
        match self.below(28) {
            0 | 1 => Op::New(self.place(), None),
            2 => Op::New(self.place(), Some(self.canceller(depth))),
            3 => Op::Ready(self.place(), self.given()),
            4 => Op::Maybe(self.place(), self.spec(depth)),
            5 => Op::Fire(self.place(), self.given()),
            6 => Op::FireWeak(self.place(), self.given()),
            7 => Op::Downgrade(self.place()),
            8 => Op::CloneTrigger {
                from: self.place(),
                to: self.place(),
            },
            9 => Op::DropTrigger(self.place()),
            10 => Op::Chain {
                from: self.place(),
                to: self.place(),
            },
            11 => Op::Cancel(self.place()),
            12 => Op::Pause(self.place()),
            13 => Op::Unpause(self.place()),
            14 => Op::Drop(self.place()),
            15 => Op::Ignore(self.place()),
            16 => Op::IntoResult(self.place()),
            17 => Op::Await(self.place()),
            18 => Op::Look(self.place()),
            19 => Op::Handle(self.place()),
            20 => Op::CancelHandle(self.place()),
            21 => Op::PauseHandle(self.place()),
            22 => Op::LookHandle(self.place()),
            _ => Op::Add(self.place(), self.pair(depth), self.size()),
        }
    }

    fn ops(&mut self, depth: u32) -> Vec<Op> {
        let Some(depth) = depth.checked_sub(1) else {
            return Vec::new();
        };
        let count = self.below(8).saturating_sub(4);
        (0..count).map(|_| self.op(depth)).collect()
    }

    fn pair(&mut self, depth: u32) -> Pair {
        match self.below(4) {
            0 => Pair::Callback(self.spec(depth)),
            1 => Pair::Errback(self.spec(depth)),
            2 => Pair::Both(self.spec(depth)),
            _ => Pair::Either(self.spec(depth), self.spec(depth)),
        }
    }

    fn spec(&mut self, depth: u32) -> Arc<Spec> {
        Arc::new(Spec {
            captures: self.captures(),
            ops: self.ops(depth),
            outcome: match self.below(7) {
                0 => Outcome::Pass,
                1 => Outcome::Add(1),
                2 => Outcome::Recover(2),
                3 => Outcome::Raise(3),
                4 => Outcome::Panic,
                _ => Outcome::Return(self.place()),
            },
        })
    }

    fn canceller(&mut self, depth: u32) -> Arc<Canceller> {
        Arc::new(Canceller {
            captures: self.captures(),
            ops: self.ops(depth),
            then: match self.below(4) {
                0 => Cancelling::Nothing,
                1 => Cancelling::Fire(self.given()),
                2 => Cancelling::Keep(self.place()),
                _ => Cancelling::Panic,
            },
        })
    }

    fn captures(&mut self) -> Option<Capture> {
        match self.below(8) {
            0 => Some(Capture::Deferred(self.place())),
            1 => Some(Capture::Trigger(self.place())),
            2 => Some(Capture::Pause(self.place())),
            _ => None,
        }
    }

    fn place(&mut self) -> Place {
        usize::from(self.below(PLACES as u8))
    }

    fn given(&mut self) -> Given {
        match self.below(8) {
            code @ 1..4 => Err(code),
            number => Ok(number.into()),
        }
    }

    fn size(&mut self) -> Size {
        match self.below(4) {
            0 => Size::Small,
            1 => Size::Wide,
            2 => Size::Huge,
            _ => Size::Aligned,
        }
    }
}
