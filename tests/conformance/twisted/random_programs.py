#!/usr/bin/env python3
"""Writes random conformance programs, without traces: `record.py` adds those.

    ./random_programs.py [--family FAMILY] [--seed SEED] COUNT

FAMILY is one of core, cancel, combinators, sync, clock, or mixed, which is all of them.
"""

import argparse
import json
import random

CORE = {
    "new": 30, "succeed": 3, "fail": 3, "maybe_deferred": 3,
    "add_callback": 18, "add_errback": 14, "add_both": 9, "add_callbacks": 8,
    "callback": 16, "errback": 10, "pause": 7, "unpause": 7, "chain": 4, "drop": 3,
}
CANCEL = {"cancel": 22}
COMBINE = {"deferred_list": 9, "gather_results": 6, "race": 6}
SYNC = {
    "lock": 4, "semaphore": 3, "queue": 3, "acquire": 14, "release": 14, "run": 10,
    "put": 9, "get": 9,
}
CLOCK = {
    "advance": 16, "pump": 6, "call_later": 9, "dc_cancel": 2, "dc_reset": 2, "dc_delay": 2,
    "dc_active": 2, "add_timeout": 14, "defer_later": 8, "loop": 5, "loop_start": 7,
    "loop_stop": 3, "loop_reset": 1,
}
FAMILIES = {
    "core": CORE,
    "cancel": CORE | CANCEL,
    "combinators": CORE | CANCEL | COMBINE,
    "sync": CORE | CANCEL | SYNC | {"gather_results": 1, "race": 1},
    "clock": CORE | CANCEL | CLOCK,
    "mixed": CORE | CANCEL | COMBINE | SYNC | CLOCK,
}

# What a callback may do on the way; combinations are at the top only.
IN_CALLBACKS = {
    "callback": 6, "errback": 5, "cancel": 6, "pause": 3, "unpause": 4, "drop": 1,
    "add_callback": 3, "add_errback": 2, "add_both": 2, "add_callbacks": 1, "chain": 1,
}
IN_CALLBACKS_BY = {
    "release": 4, "put": 2, "advance": 1, "call_later": 2, "dc_cancel": 1, "loop_stop": 2,
}


class Maker:
    def __init__(self, rng, family):
        self.rng, self.family = rng, family
        self.weights = FAMILIES[family]
        self.act_weights = IN_CALLBACKS | {
            name: weight for name, weight in IN_CALLBACKS_BY.items() if name in self.weights
        }
        if "cancel" not in self.weights:
            self.act_weights = {k: v for k, v in self.act_weights.items() if k != "cancel"}
        self.last = {"d": 0, "p": 0, "c": 0, "n": 0}
        self.label = 0
        self.ids = []
        self.primitives = {"lock": [], "semaphore": [], "queue": []}
        # How many are about at a time: with fewer, more happens between them.
        self.crowd = rng.choice([3, 4, 6, 10])

    def program(self, number):
        length = self.rng.choice([8, 12, 16, 24, 40, 70])
        ops = []
        while len(ops) < length:
            name = self.pick(self.weights)
            op = getattr(self, "make_" + name, self.make_of)(name)
            if op:
                ops.append({"op": name} | op)
        return {"id": f"r-{self.family}-{number}", "ops": ops}

    def pick(self, weights):
        return self.rng.choices(list(weights), list(weights.values()))[0]

    def next(self, kind):
        self.last[kind] += 1
        return self.last[kind]

    def new_d(self):
        d = self.next("d")
        self.ids.append(d)
        return d

    def d(self):
        near = self.ids[-self.crowd :] if self.rng.random() < 0.85 else self.ids
        return self.rng.choice(near)

    def value(self):
        return self.rng.choice([0, 1, 2, 3, 5, 10, 100, -4])

    def code(self):
        return self.rng.randint(1, 5)

    def ticks(self):
        return self.rng.choice([0, 1, 2, 3, 4, 5, 6, 8, 12])

    def known(self, kind):
        return self.rng.randint(1, self.last[kind]) if self.last[kind] else None

    def make_of(self, name):
        """An operation on one Deferred, or on a call or loop."""
        rng = self.rng
        if name.startswith(("dc_", "loop_")):
            kind = "c" if name.startswith("dc_") else "n"
            number = self.known(kind)
            if number is None:
                return None
            op = {kind: number}
            if name in ("dc_reset", "dc_delay"):
                op["t"] = self.ticks()
            if name == "loop_start":
                op |= {"d": self.new_d(), "interval": rng.randint(1, 6), "now": rng.random() < 0.6}
            return op
        if not self.ids:
            return None
        op = {"d": self.d()}
        if name == "callback":
            op["v"] = self.value()
        elif name == "errback":
            op["code"] = self.code()
        elif name == "chain":
            op["to"] = self.d()
        elif name.startswith("add_"):
            op["f"] = self.spec()
            if name == "add_callbacks":
                op["g"] = self.spec()
        return op

    def make_new(self, _name):
        op = {"d": self.new_d()}
        if "cancel" in self.weights and self.rng.random() < 0.5:
            kind = self.rng.choice(["record", "record", "callback", "errback"])
            op["canceller"] = {"do": kind}
            if kind == "callback":
                op["canceller"]["v"] = self.value()
            elif kind == "errback":
                op["canceller"]["code"] = self.code()
        return op

    def make_succeed(self, _name):
        return {"v": self.value(), "d": self.new_d()}

    def make_fail(self, _name):
        return {"code": self.code(), "d": self.new_d()}

    def make_maybe_deferred(self, _name):
        spec = self.spec()
        return {"f": spec, "d": self.new_d()}

    def spec(self, depth=0):
        self.label += 1
        spec = {"l": self.label}
        kind = self.pick(
            {"pass": 5, "add": 5, "value": 5, "raise": 5, "trap": 3, "return_deferred": 8}
        )
        if kind == "return_deferred" and not self.ids:
            kind = "pass"
        spec["do"] = kind
        if kind == "add":
            spec["k"] = self.value()
        elif kind == "value":
            spec["v"] = self.value()
        elif kind == "raise":
            spec["code"] = self.code()
        elif kind == "trap":
            spec |= {"code": self.rng.choice([-3, -2, -1, 1, 2, 3, 4, 5]), "v": self.value()}
        elif kind == "return_deferred":
            spec["d"] = self.d()
        if depth < 2 and self.rng.random() < 0.2:
            spec["acts"] = self.acts(depth)
        return spec

    def acts(self, depth):
        acts = []
        for _ in range(self.rng.randint(1, 3)):
            name = self.pick(self.act_weights)
            if name.startswith("add_") and self.ids:
                op = {"d": self.d(), "f": self.spec(depth + 1)}
                if name == "add_callbacks":
                    op["g"] = self.spec(depth + 1)
            elif name == "advance":
                op = {"t": self.ticks()}
            elif name == "call_later":
                op = {"c": self.next("c"), "t": self.ticks()}
            elif name in ("release", "put"):
                op = getattr(self, "make_" + name)(name)
            else:
                op = self.make_of(name)
            if op:
                acts.append({"op": name} | op)
        return acts

    # Combinations

    def parts(self):
        count = self.rng.choice([0, 1, 2, 2, 3, 3])
        ids = {self.d() for _ in range(count)} if self.ids else []
        return self.rng.sample(sorted(ids), len(ids))

    def flags(self, *names):
        return {name: True for name in names if self.rng.random() < 0.3}

    def combination(self, *flags):
        self.label += 1
        return {"ds": self.parts(), "l": self.label, **self.flags(*flags), "d": self.new_d()}

    def make_deferred_list(self, _name):
        return self.combination("one_cb", "one_eb", "consume")

    def make_gather_results(self, _name):
        return self.combination("consume")

    def make_race(self, _name):
        return self.combination()

    # Locks, semaphores, queues

    def primitive(self, *kinds):
        known = [p for kind in kinds for p in self.primitives[kind]]
        return self.rng.choice(known) if known else None

    def make_primitive(self, kind):
        p = self.next("p")
        self.primitives[kind].append(p)
        return {"p": p}

    make_lock = make_primitive

    def make_semaphore(self, kind):
        return self.make_primitive(kind) | {"tokens": self.rng.randint(1, 3)}

    def make_queue(self, kind):
        limits = {
            name: self.rng.randint(0, 2)
            for name in ("size", "backlog")
            if self.rng.random() < 0.3
        }
        return self.make_primitive(kind) | limits

    def make_acquire(self, _name):
        p = self.primitive("lock", "semaphore")
        return p and {"p": p, "d": self.new_d()}

    def make_release(self, _name):
        p = self.primitive("lock", "semaphore")
        return p and {"p": p}

    def make_run(self, _name):
        p = self.primitive("lock", "semaphore")
        return p and {"p": p, "f": self.spec(), "d": self.new_d()}

    def make_put(self, _name):
        p = self.primitive("queue")
        return p and {"p": p, "v": self.value()}

    def make_get(self, _name):
        p = self.primitive("queue")
        return p and {"p": p, "d": self.new_d()}

    # The clock

    def make_advance(self, _name):
        return {"t": self.ticks()}

    def make_pump(self, _name):
        return {"t": self.rng.randint(1, 4), "n": self.rng.randint(1, 6)}

    def make_call_later(self, _name):
        op = {"c": self.next("c"), "t": self.ticks()}
        acts = self.acts(0) if self.rng.random() < 0.7 else []
        return op | ({"acts": acts} if acts else {})

    def make_add_timeout(self, _name):
        if not self.ids:
            return None
        op = {"d": self.d(), "t": self.ticks()}
        return op | ({"f": self.spec()} if self.rng.random() < 0.3 else {})

    def make_defer_later(self, _name):
        op = {"t": self.ticks()} | ({"f": self.spec()} if self.rng.random() < 0.7 else {})
        return op | {"d": self.new_d()}

    def make_loop(self, _name):
        script = [self.spec() for _ in range(self.rng.randint(0, 4))]
        for spec in script:
            del spec["l"]
        default = {"do": "pass"} if self.rng.random() < 0.8 else {"do": "raise", "code": 1}
        op = {"n": self.next("n"), "script": script, "default": default}
        return op | ({"count": True} if self.rng.random() < 0.4 else {})


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--family", choices=sorted(FAMILIES), default="mixed")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("count", type=int)
    arguments = arguments.parse_args()
    for number in range(arguments.count):
        rng = random.Random(f"{arguments.seed} {arguments.family} {number}")
        program = Maker(rng, arguments.family).program(number)
        print(json.dumps(program, separators=(",", ":")))


if __name__ == "__main__":
    main()
