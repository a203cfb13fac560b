# Sixteen callbacks on a Deferred, in batches; prints the nanoseconds for one.
import sys
from statistics import median
from time import perf_counter_ns

from twisted.internet.defer import Deferred

CALLBACKS, BATCH = 16, 64
NUMBERS = [(1, 2, 3), (4, 5, 6), (7, 8, 9), (10, 11, 12)]


def step(index):
    a, b, c = NUMBERS[index % len(NUMBERS)]
    return lambda value: (value + a) ^ (b + c)


def batch():
    chains = []
    for _ in range(BATCH):
        chain = Deferred()
        for index in range(CALLBACKS):
            chain.addCallback(step(index))
        chains.append(chain)
    for chain in chains:
        chain.callback(1)


times = []
start = perf_counter_ns()
budget = int(sys.argv[1]) * 1_000_000
while not times or perf_counter_ns() - start < budget:
    before = perf_counter_ns()
    batch()
    times.append(perf_counter_ns() - before)
print(median(times) / (BATCH * CALLBACKS))
