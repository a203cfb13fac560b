#!/usr/bin/env python3
"""Records the traces of conformance programs from Twisted.

    pip install twisted
    ./random_programs.py 2000 | ./record.py > programs/random.jsonl

Reads programs in the language of `../FORMAT.md`, one JSON object a line, and writes
each with the trace that Twisted gives. With `--check`, it writes nothing and says which
of the traces that it read are others than Twisted gives now.

Programs that the language cannot compare (a Deferred that waits for itself, a loop with
no end) are left out; so are those that meet an oddity of Twisted's, unless `--quirks`
is given: see "Tags" there.
"""

import gc
import json
import sys
import threading
import warnings

from twisted.internet import defer, error, task
from twisted.python.failure import Failure

TICK = 0.125

QUIRKS = {
    "pause_running",
    "steal_running",
    "race_late",
    "tie_resched",
    "count_restart",
    "count_after_reset",
    "loop_cancel_start",
}

# How many events a program may record, and how deep the recursion may be: what exceeds
# them does not end.
MOST_EVENTS = 2000
sys.setrecursionlimit(20_000)


class Rejected(Exception):
    """The program cannot be compared."""


# Why the present program cannot be. Noted here, as a Deferred makes a failure of
# whatever a callback raises.
rejections = []


def reject(reason):
    rejections.append(reason)


def end_if_rejected():
    if rejections:
        raise Rejected(rejections[0])


class Coded(Exception):
    def __init__(self, code):
        super().__init__(code)
        self.code = code


def code_of(failure):
    match failure.value:
        case Coded(code=code):
            return code
        case defer.CancelledError():
            return -1
        case defer.TimeoutError():
            return -2
        case defer.AlreadyCalledError():
            return -3
        case defer.FirstError(index=index, subFailure=inner):
            return ["first_error", index, code_of(inner)]
        case defer.FailureGroup(failures=failures):
            return ["group", [code_of(inner) for inner in failures]]
        case other:
            reject(f"an error that the language has no code for: {other!r}")
            return "other"


def by_text(codes):
    return sorted(codes, key=lambda code: json.dumps(code, separators=(",", ":")))


# Failures of Deferreds that the garbage collector freed unhandled.
reported = []


class ReportingDebugInfo(defer.DebugInfo):
    """In place of the one that writes to the log."""

    kind = None

    def __del__(self):
        if self.failResult is not None:
            reported.append((self.kind, code_of(self.failResult)))


defer.DebugInfo = ReportingDebugInfo


def is_waiting(deferred):
    return deferred.called and isinstance(deferred.result, defer.Deferred)


def reject_cycle(deferred):
    """Rejects the program if a Deferred waits for itself, directly or through others."""
    seen = set()
    while is_waiting(deferred):
        if deferred in seen:
            return reject("a Deferred that waits for itself")
        seen.add(deferred)
        deferred = deferred.result


class Machine:
    def __init__(self):
        self.table, self.triggers, self.handles = {}, {}, {}
        self.pauses, self.primitives, self.held = {}, {}, {}
        self.clock = task.Clock()
        self.calls, self.loops = {}, {}
        self.events, self.count = [], 0
        self.tags = set()
        self.has_dropped = False

    def run(self, program):
        trace = []
        for op in program["ops"]:
            self.perform(op)
            trace.append(self.end_group())
        self.record_finals(program.get("finals"))
        trace.append(self.events)
        self.events = []
        trace[-1].extend(self.end())
        return trace

    def record(self, *event):
        self.count += 1
        if self.count > MOST_EVENTS:
            reject("it records too much")
            raise Rejected
        self.events.append(list(event))

    def end_group(self):
        if self.has_dropped:
            gc.collect()
        if reported:
            self.record("unhandled", by_text([code for _, code in reported]))
            reported.clear()
        self.note_ties()
        for deferred in self.handles.values():
            reject_cycle(deferred)
        end_if_rejected()
        events, self.events = self.events, []
        return events

    # Operations

    def perform(self, op):
        if op["op"] == "repeat":
            for turn in range(op["n"]):
                for inner in op["ops"]:
                    self.perform(at_turn(inner, turn))
            return
        fields = {name: value for name, value in op.items() if name != "op"}
        getattr(self, "op_" + op["op"])(**fields)

    def take(self, d):
        return self.table.pop(d, None)

    def gone(self, d):
        self.record("gone", d)

    def enter(self, d, deferred):
        self.table[d] = self.handles[d] = deferred

    def op_new(self, d, canceller=None):
        def call(deferred):
            self.record("canceller", d)
            if canceller["do"] == "callback":
                deferred.callback(canceller["v"])
            elif canceller["do"] == "errback":
                deferred.errback(Coded(canceller["code"]))

        deferred = defer.Deferred(call if canceller else None)
        self.enter(d, deferred)
        self.triggers[d] = deferred

    def op_succeed(self, d, v):
        self.enter(d, defer.succeed(v))

    def op_fail(self, d, code):
        self.enter(d, defer.fail(Coded(code)))

    def op_maybe_deferred(self, d, f):
        self.enter(d, defer.maybeDeferred(self.function(f)))

    def fire(self, d, fire):
        if d not in self.triggers:
            return self.record("no_trigger", d)
        try:
            fire(self.triggers[d])
        except defer.AlreadyCalledError:
            self.record("already_called", d)

    def op_callback(self, d, v):
        self.fire(d, lambda deferred: deferred.callback(v))

    def op_errback(self, d, code):
        self.fire(d, lambda deferred: deferred.errback(Coded(code)))

    def change(self, d, change):
        deferred = self.take(d)
        if deferred is None:
            return self.gone(d)
        change(deferred)
        self.table[d] = deferred

    def op_add_callback(self, d, f):
        self.change(d, lambda it: it.addCallback(self.callback(it, f)))

    def op_add_errback(self, d, f):
        self.change(d, lambda it: it.addErrback(self.callback(it, f)))

    def op_add_both(self, d, f):
        self.change(d, lambda it: it.addBoth(self.callback(it, f)))

    def op_add_callbacks(self, d, f, g):
        self.change(
            d, lambda it: it.addCallbacks(self.callback(it, f), self.callback(it, g))
        )

    def op_pause(self, d):
        deferred = self.handles.get(d)
        if deferred is None:
            return self.gone(d)
        if deferred._runningCallbacks:
            self.tags.add("pause_running")
        if d not in self.table:
            self.tags.add("pause_moved")
        self.pauses[d] = self.pauses.get(d, 0) + 1
        deferred.pause()

    def op_unpause(self, d):
        deferred = self.handles.get(d)
        if deferred is None:
            return self.gone(d)
        if not self.pauses.get(d):
            return self.record("not_paused", d)
        if d not in self.table:
            self.tags.add("pause_moved")
        self.pauses[d] -= 1
        deferred.unpause()

    def op_chain(self, d, to):
        if d not in self.table:
            return self.gone(d)
        if to not in self.triggers:
            return self.record("no_trigger", to)
        target = self.triggers[to]

        def chain(deferred):
            # It is kept for a repr only, but keeps the Deferred.
            before = target._chainedTo
            ran = deferred.called and not deferred.paused
            deferred.chainDeferred(target)
            if not ran:
                target._chainedTo = before
            elif target._chainedTo is deferred:
                target._chainedTo = None
            deferred.addCallback(lambda _: 0)

        self.change(d, chain)

    def op_drop(self, d):
        known = [self.table.pop(d, None), self.handles.pop(d, None)]
        if known == [None, None]:
            self.gone(d)
        self.triggers.pop(d, None)
        self.has_dropped = True

    def op_cancel(self, d):
        deferred = self.handles.get(d)
        if deferred is None:
            return self.gone(d)
        if d not in self.table:
            self.tags.add("cancel_moved")
        deferred.cancel()

    # Combinations

    def take_parts(self, ds):
        parts = []
        for d in ds:
            part = self.take(d)
            if part is None:
                self.gone(d)
            else:
                parts.append(part)
        return parts

    def show(self, label, results):
        self.record(
            "list",
            label,
            [["ok", r] if ok else ["err", code_of(r)] for ok, r in results],
        )
        return sum(r for ok, r in results if ok)

    def op_deferred_list(self, d, ds, l, one_cb=False, one_eb=False, consume=False):
        combined = defer.DeferredList(self.take_parts(ds), one_cb, one_eb, consume)

        def reduce(result):
            if one_cb and isinstance(result, tuple):
                value, index = result
                self.record("first", l, value, index)
                return value
            if one_cb:
                self.tags.add("one_cb_all_failed")
            return self.show(l, result)

        self.enter(d, combined.addCallback(reduce))

    def op_gather_results(self, d, ds, l, consume=False):
        def reduce(values):
            self.record("gather", l, values)
            return sum(values)

        gathered = defer.gatherResults(self.take_parts(ds), consume)
        self.enter(d, gathered.addCallback(reduce))

    def op_race(self, d, ds, l):
        def reduce(winner):
            index, value = winner
            self.record("race", l, index, value)
            return value

        first = defer.race(self.take_parts(ds))
        first.callback = self.noting_late(first.callback)
        first.errback = self.noting_late(first.errback)
        self.enter(d, first.addCallback(reduce))

    def noting_late(self, fire):
        def fire_noting(result):
            try:
                fire(result)
            except defer.AlreadyCalledError:
                self.tags.add("race_late")
                raise

        return fire_noting

    # Locks, semaphores, queues

    def op_lock(self, p):
        self.primitives[p] = defer.DeferredLock()

    def op_semaphore(self, p, tokens):
        self.primitives[p] = defer.DeferredSemaphore(tokens)

    def op_queue(self, p, size=None, backlog=None):
        self.primitives[p] = defer.DeferredQueue(size, backlog)

    def op_acquire(self, p, d):
        def hold(_):
            self.record("acquired", d)
            self.held[p] = self.held.get(p, 0) + 1
            return 0

        self.enter(d, self.primitives[p].acquire().addCallback(hold))

    def op_release(self, p):
        if not self.held.get(p):
            return self.record("not_held", p)
        self.held[p] -= 1
        self.primitives[p].release()

    def op_run(self, p, d, f):
        self.enter(d, self.primitives[p].run(self.function(f)))

    def op_put(self, p, v):
        try:
            self.primitives[p].put(v)
        except defer.QueueOverflow:
            self.record("overflow", p)

    def op_get(self, p, d):
        try:
            self.enter(d, self.primitives[p].get())
        except defer.QueueUnderflow:
            self.record("underflow", p)

    # The clock

    def now(self):
        return int(self.clock.seconds() / TICK)

    def op_advance(self, t):
        self.note_ties()
        self.clock.advance(t * TICK)

    def op_pump(self, t, n):
        for _ in range(n):
            self.op_advance(t)

    def op_call_later(self, c, t, acts=()):
        def call():
            self.record("call", c, self.now())
            for act in acts:
                self.perform(act)

        self.calls[c] = self.clock.callLater(t * TICK, call)

    def change_call(self, c, change):
        call = self.calls.get(c)
        if call is None:
            return self.record("dc_unknown", c)
        try:
            change(call)
        except error.AlreadyCalled:
            self.record("dc_already_called", c)
        except error.AlreadyCancelled:
            self.record("dc_already_cancelled", c)

    def op_dc_cancel(self, c):
        self.change_call(c, lambda call: call.cancel())

    def reschedule(self, c, change):
        def do(call):
            change(call)
            call.is_rescheduled = True
            self.note_ties()

        self.change_call(c, do)

    def op_dc_reset(self, c, t):
        self.reschedule(c, lambda call: call.reset(t * TICK))

    def op_dc_delay(self, c, t):
        self.reschedule(c, lambda call: call.delay(t * TICK))

    def op_dc_active(self, c):
        call = self.calls.get(c)
        if call is None:
            self.record("dc_unknown", c)
        elif call.active():
            self.record("active", c, True, int(call.getTime() / TICK))
        else:
            self.record("active", c, False)

    def note_ties(self):
        """Notes if a rescheduled call is due together with another one."""
        times = {}
        for call in self.clock.calls:
            times.setdefault(call.getTime(), []).append(call)
        for calls in times.values():
            if len(calls) > 1 and any(hasattr(c, "is_rescheduled") for c in calls):
                self.tags.add("tie_resched")

    def op_add_timeout(self, d, t, f=None):
        def add(deferred):
            convert = f and self.callback(deferred, f)
            on_timeout = convert and (lambda value, _timeout: convert(value))
            deferred.addTimeout(t * TICK, self.clock, on_timeout)

        self.change(d, add)

    def op_defer_later(self, d, t, f=None):
        function = self.function(f) if f else lambda: 0
        self.enter(d, task.deferLater(self.clock, t * TICK, function))

    def op_loop(self, n, script, default, count=False):
        calls = iter(script)
        loop = None

        def call(number=None):
            self.record("loop", n, self.now(), number)
            spec = next(calls, default)
            self.act(spec)
            outcome = self.outcome(spec, 0)
            if isinstance(outcome, defer.Deferred):
                loop.is_busy = True
                outcome.addBoth(ended)
            return outcome

        def ended(result):
            loop.is_busy = False
            return result

        loop = task.LoopingCall.withCount(call) if count else task.LoopingCall(call)
        loop.clock, loop.counts = self.clock, count
        loop.is_busy = loop.was_started = False
        self.loops[n] = loop

    def op_loop_start(self, n, d, interval, now=True):
        loop = self.loops[n]
        if loop.running:
            return self.record("loop_running", n)
        if loop.is_busy:
            return self.record("loop_busy", n)
        if loop.was_started and loop.counts:
            self.tags.add("count_restart")
        loop.was_started = True

        def done(_):
            self.record("loop_done", n)
            return 0

        ended = loop.start(interval * TICK, now)
        cancel = ended.cancel

        def cancel_noting():
            if loop.running or not ended.called:
                self.tags.add("loop_cancel_start")
            cancel()

        ended.cancel = cancel_noting
        self.enter(d, ended.addCallback(done))

    def op_loop_stop(self, n):
        if not self.loops[n].running:
            return self.record("loop_not_running", n)
        self.loops[n].stop()

    def op_loop_reset(self, n):
        loop = self.loops[n]
        if not loop.running:
            return self.record("loop_not_running", n)
        if loop.counts:
            self.tags.add("count_after_reset")
        loop.reset()

    # Callbacks

    def callback(self, outer, spec):
        def call(value):
            if "l" in spec:
                if isinstance(value, Failure):
                    self.record("eb", spec["l"], code_of(value))
                else:
                    self.record("cb", spec["l"], value)
            self.act(spec)
            outcome = self.outcome(spec, value)
            if outcome is outer:
                reject("a Deferred that waits for itself")
            return outcome

        return call

    def function(self, spec):
        def call():
            if "l" in spec:
                self.record("run", spec["l"])
            self.act(spec)
            return self.outcome(spec, 0)

        return call

    def act(self, spec):
        for act in spec.get("acts", ()):
            self.perform(act)

    def outcome(self, spec, value):
        is_failure = isinstance(value, Failure)
        match spec["do"]:
            case "pass":
                return value
            case "add":
                return value if is_failure else value + spec["k"]
            case "value":
                return spec["v"]
            case "raise":
                raise Coded(spec["code"])
            case "trap":
                return spec["v"] if is_failure and code_of(value) == spec["code"] else value
            case "return_deferred":
                inner = self.take(spec["d"])
                if inner is None:
                    self.gone(spec["d"])
                    return 0
                if inner._runningCallbacks:
                    self.tags.add("steal_running")
                return inner

    # The end

    def record_finals(self, wanted):
        for d, deferred in sorted(self.table.items()):
            if wanted is not None and d not in wanted:
                continue
            if not deferred.called:
                self.record("final", d, "pending")
            elif is_waiting(deferred):
                self.record("final", d, "waiting")
            elif deferred.paused:
                self.record("final", d, "paused")
            elif isinstance(deferred.result, Failure):
                self.record("final", d, "failure", code_of(deferred.result))
            else:
                self.record("final", d, "value", deferred.result)

    def end(self):
        silent = []
        # By what they are, not by their numbers: `maybe_deferred` gives another one.
        in_table = {id(deferred) for deferred in self.table.values()}
        for deferred in {id(it): it for it in self.handles.values()}.values():
            kind = "unhandled" if id(deferred) in in_table else "unhandled_moved"
            info = deferred._debugInfo
            is_told = info is not None and info.failResult is not None
            if info is not None:
                info.kind = kind
            if (
                deferred.called
                and deferred.paused
                and isinstance(deferred.result, Failure)
                and not is_told
            ):
                silent.append(code_of(deferred.result))
        info = deferred = None
        self.__dict__.clear()
        gc.collect()
        codes = {"unhandled": [], "unhandled_moved": []}
        for kind, code in reported:
            codes[kind or "unhandled_moved"].append(code)
        reported.clear()
        yield ["unhandled", by_text(codes["unhandled"])]
        if codes["unhandled_moved"]:
            yield ["unhandled_moved", by_text(codes["unhandled_moved"])]
        if silent:
            yield ["silent_paused", by_text(silent)]


COUNTED = {"d", "to", "v", "k", "code", "p", "c", "t", "n", "l", "ds"}


def at_turn(op, turn):
    if isinstance(op, list):
        return [at_turn(item, turn) for item in op]
    if not isinstance(op, dict):
        return op
    return {
        name: counted(value, turn) if name in COUNTED else at_turn(value, turn)
        for name, value in op.items()
    }


def counted(value, turn):
    if not isinstance(value, list):
        return value
    if len(value) == 2 and all(isinstance(part, int) for part in value):
        return value[0] * turn + value[1]
    return [counted(item, turn) for item in value]


def record(program):
    """The trace and the tags of a program."""
    reported.clear()
    rejections.clear()
    machine = Machine()
    tags = machine.tags
    try:
        trace = machine.run(program)
        end_if_rejected()
    finally:
        machine.__dict__.clear()
        del machine
    return trace, tags


def main():
    is_check, keeps_quirks = "--check" in sys.argv, "--quirks" in sys.argv
    gc.collect()
    gc.freeze()
    others = left_out = same = 0
    for line in sys.stdin:
        program = json.loads(line)
        try:
            trace, tags = record(program)
        except (Rejected, RecursionError) as reason:
            left_out += 1
            if is_check:
                print(program["id"], "is left out:", repr(reason))
            trace = None
        if trace is None:
            # What it leaves behind is not to be reported by another program.
            gc.collect()
            continue
        if is_check:
            if trace == program["trace"]:
                same += 1
                continue
            others += 1
            pairs = zip(program["trace"], trace)
            at = next(i for i, (was, now) in enumerate(pairs) if was != now)
            print(program["id"], at, "was", program["trace"][at], "now", trace[at])
        elif tags & QUIRKS and not keeps_quirks:
            left_out += 1
        else:
            program["trace"] = trace
            if tags:
                program["tags"] = sorted(tags)
            print(json.dumps(program, separators=(",", ":")))
    if is_check:
        print(f"{same} the same, {others} others, {left_out} left out")
        sys.exit(others > 0)
    print(f"{left_out} left out", file=sys.stderr)


if __name__ == "__main__":
    warnings.simplefilter("ignore", DeprecationWarning)
    # Runs of different Deferreds nest on the stack.
    threading.stack_size(512 << 20)
    thread = threading.Thread(target=main)
    thread.start()
    thread.join()
