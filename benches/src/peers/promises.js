// Sixteen callbacks on a promise, in batches; prints the nanoseconds for one.
const [CALLBACKS, BATCH] = [16, 64];
const NUMBERS = [[1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12]];
const budget = BigInt(process.argv[1]) * 1_000_000n;

function step(index) {
  const [a, b, c] = NUMBERS[index % NUMBERS.length];
  return (value) => (value + a) ^ (b + c);
}

async function batch() {
  const resolves = [];
  const tails = [];
  for (let chain = 0; chain < BATCH; chain++) {
    let tail = new Promise((resolve) => resolves.push(resolve));
    for (let index = 0; index < CALLBACKS; index++) {
      tail = tail.then(step(index));
    }
    tails.push(tail);
  }
  for (const resolve of resolves) resolve(1);
  for (const tail of tails) await tail;
}

(async () => {
  const times = [];
  const start = process.hrtime.bigint();
  // The first half is for the compiler to warm up.
  for (;;) {
    const before = process.hrtime.bigint();
    await batch();
    const now = process.hrtime.bigint();
    if (now - start > budget / 2n) times.push(Number(now - before));
    if (now - start > budget) break;
  }
  times.sort((a, b) => a - b);
  console.log(times[times.length >> 1] / (BATCH * CALLBACKS));
})();
