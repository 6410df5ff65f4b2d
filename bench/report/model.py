# SPDX-License-Identifier: GPL-2.0
"""Contention: counted writes of shared lines, and the times that lines take to move."""

# As the raw files name them, and as the texts do.
DESIGNS = {
    'percpu_counter': 'percpu_counter',
    'flat32': 'flat 32',
    'flat8': 'flat 8',
    'doubling32': 'doubling 32',
    'tree': 'this series',
}
FEW = 'this series, 16 neighbours'
FLAT = ('flat32', 'flat8')
SHARED = ('leaf', 'node', 'root')
# Page faults per second in one process.
RATES = (0.1e6, 1e6, 10e6)
# The error that RSS may have, in bytes, and the busy share up to which a line does no harm.
ERROR = 16 << 20
BUSY = 0.1

# ns that a line takes from one core to another, one way: processor, within the last-level cache,
# within the socket, between sockets; medians of compare-and-exchange, as published in the README
# of github.com/nviennot/core-to-core-latency.
PUBLISHED = (
    ('EPYC 7R13 (Milan)', 23, 107, 197),
    ('Xeon Platinum 8375C (Ice Lake)', 51, 51, 108),
    ('Xeon Platinum 8275CL (Cascade Lake)', 47, 47, 134),
    ('Graviton3', 46, 46, None),
    ('Kunpeng 920', 72, 72, None),
)
SLOWEST = max(PUBLISHED, key=lambda line: line[3] or 0)


def flat_batch(error, cpus, page=4096):
    """
    The batch of the best flat counter with at most this error, up to the largest of RSS. What a CPU
    keeps is rounded to nearest, so each can be off by half a batch.
    """
    batch = 32
    while batch > 1 and cpus * batch * page > 2 * error:
        batch //= 2
    return batch


class Contention:
    def __init__(self, results):
        self.writes = results.table('writes', 'writes', 5, 2, (1, 3))
        self.bounds = results.table('writes', 'bound', 3, 1, (1, 2))
        self.batches = results.table('writes', 'batch', 2, 1, (0, 1))
        self.memory = results.table('writes', 'memory', 2, 2, (1,))
        self.ranges = results.table('writes', 'range', 2, 2, (0, 1))
        self.spreads = results.table('writes', 'spread', 2, 2, (0, 1))
        self.transfer = None
        raw = results.single.get('native')
        if raw and 'transfer' in raw.lines:
            self.transfer = raw.value('transfer')

    def cpus(self):
        return sorted({int(key[1]) for key in self.writes})

    def total(self, design, cpus, pattern, add, kind):
        return self.writes.get((design, str(cpus), pattern, str(add), kind), (None, None))[0]

    def busiest(self, design, cpus, pattern='grow', add=1):
        """Writes of the shared line that is written most, per page of the whole process."""
        values = [self.writes[key][1] for kind in SHARED
                  if (key := (design, str(cpus), pattern, str(add), kind)) in self.writes]
        return max(values, default=None)

    def busy(self, design, cpus, rate, ns, pattern='grow', add=1):
        writes = self.busiest(design, cpus, pattern, add)
        return None if writes is None or ns is None else rate * writes * ns * 1e-9

    def few_busy(self, design, cpus, distance, rate=10e6):
        """
        With adds from 16 neighbours alone, whose line moves in their cache or between sockets;
        "flat" is the best flat counter, which all CPUs write alike.
        """
        ns = SLOWEST[1] if distance == 'near' else SLOWEST[3]
        if design != 'flat':
            return self.busy(design, cpus, rate, ns, 'few')
        batch, _ = self.flat(cpus)
        return rate / batch * ns * 1e-9 if batch else None

    def saturates(self, design, cpus, ns, pattern='grow', add=1):
        """Page faults per second with which the line is busy all the time."""
        writes = self.busiest(design, cpus, pattern, add)
        return 1e9 / (writes * ns) if writes and ns else None

    def waiting(self, design, cpus, times, pattern='grow', add=1):
        """ns per page for all shared lines that are written, each of which moves each time."""
        totals = [(self.total(design, cpus, pattern, add, kind), ns)
                  for kind, ns in zip(SHARED, times)]
        known = [writes * ns for writes, ns in totals if writes is not None]
        return sum(known) if known else None

    def bound(self, design, cpus, page_kib=4):
        return self.bounds.get((design, str(cpus), str(page_kib)))

    def flat(self, cpus):
        """Batch and error of the best flat counter that keeps the promise of the tree."""
        bound = self.bound('tree', cpus)
        if bound is None:
            return None, None
        batch = flat_batch(max(bound, ERROR), cpus)
        # A batch of 1 is one shared word, which is exact.
        return batch, 0 if batch == 1 else cpus * batch * 4096 / 2

    def range_of(self, cpus, used):
        """The range of one counter in pages, for so many used CPUs or the next number counted."""
        if used == 0:
            return 0, 0
        # A tree for 255 CPUs has the shape of one for 256.
        for size in (cpus, cpus + 1):
            enough = [int(key[1]) for key in self.ranges
                      if key[0] == str(size) and int(key[1]) >= used]
            if enough:
                return self.ranges[str(size), str(min(enough))]
        return None
