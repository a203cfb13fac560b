// node run.mjs MODULE.wasm
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

const js = {
    now: () => performance.now(),
    set_timeout: (call, milliseconds) =>
        setTimeout(() => instance.exports.timed_out(call), milliseconds),
};
const { instance } = await WebAssembly.instantiate(await readFile(process.argv[2]), { js });
const { chain, gather, time, shared, start_waiting, done } = instance.exports;
assert.equal(chain(), 507);
assert.equal(gather(), 12);
assert.equal(time(), 21);
assert.equal(shared(), 5);

start_waiting();
assert.equal(done(), 0);
const deadline = performance.now() + 10_000;
while (done() < 4 && performance.now() < deadline) {
    await sleep(5);
}
assert.equal(done(), 4);
console.log("all as on other systems");
