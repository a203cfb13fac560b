// node run.mjs MODULE.wasm
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";

const { instance } = await WebAssembly.instantiate(await readFile(process.argv[2]), {});
const { chain, gather, time, shared } = instance.exports;
assert.equal(chain(), 507);
assert.equal(gather(), 12);
assert.equal(time(), 21);
assert.equal(shared(), 5);
console.log("all as on other systems");
