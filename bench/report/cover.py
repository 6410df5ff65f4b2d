# SPDX-License-Identifier: GPL-2.0
"""The directives of cover-letter.in. A line of a table is one directive."""
import model
from markdown import MIB, label, wrapped
from raw import KERNELS, Figure
from template import Template

NS = model.SLOWEST[3]


def fixed(value, digits=0, factor=1):
    return 'missing' if value is None else f'{factor * value:,.{digits}f}'


def mib(value):
    return fixed(value, 0 if value and value >= 100 * MIB else 1, 1 / MIB)


def cells(widths, texts):
    """Columns to the right, one space apart at least."""
    return ''.join(f' {text:>{width - 1}}' for width, text in zip(widths, texts))


class Letter(Template):
    def fill(self, template, where):
        return wrapped(super().fill(template, where), 75)

    # --- figures of bench/rows; {{figure name cpus kernel}} is in template.py

    def median(self, name, cpus, kernel):
        figure = self.figure(name, cpus, kernel)
        return figure.median if isinstance(figure, Figure) else None

    def ratio(self, name, cpus, other='base'):
        patched, divisor = (self.median(name, cpus, kernel) for kernel in ('patched', other))
        return None if patched is None or not divisor else patched / divisor

    def say_ratio(self, name, cpus, other='base'):
        return fixed(self.ratio(name, cpus, other), 3)

    def say_more(self, name, cpus):
        """Than base, in percent."""
        ratio = self.ratio(name, cpus)
        return fixed(None if ratio is None else ratio - 1, 1, 100)

    def shares(self, name):
        """Than base, in percent, for each machine."""
        shares = [(self.say_more(name, m.label), m) for m in self.results.qemu]
        return [(share, machine) for share, machine in shares if share != 'missing']

    def say_least(self, name):
        return min((share for share, _ in self.shares(name)), key=float, default='missing')

    def say_most(self, name):
        """With the machine, unless all are alike."""
        shares = self.shares(name)
        if not shares:
            return 'missing'
        most, machine = max(shares, key=lambda pair: float(pair[0]))
        if len({share for share, _ in shares}) == 1:
            return f'{most} %'
        return f'{most} % at {label(machine)}'

    def say_victims(self):
        said = self.killed().get('patched', [])
        return f'{said.count("largest")} of {len(said)}'

    def say_difference(self, name, cpus):
        patched, base = (self.median(name, cpus, kernel) for kernel in ('patched', 'base'))
        return fixed(None if patched is None or base is None else patched - base)

    def say_search(self, name, cpus, kernel):
        """Million instructions for all of 10,000 tasks."""
        return fixed(self.median(name, cpus, kernel), 1, 10000 / 1e6)

    def say_costs(self, name, cpus):
        return cells([10] * 3, [self.say_figure(name, cpus, kernel) for kernel in KERNELS])

    def say_pairs(self, name, *counts):
        return cells([8] * 2 * len(counts), [self.say_figure(name, cpus, kernel)
                                             for cpus in counts for kernel in ('base', 'patched')])

    def say_remote(self, cpus):
        """Percent of the updates that were made from outside, of all runs."""
        machine = self.machine(cpus)
        made = machine.remote('patched') if machine else None
        return fixed(made[0] / made[1] if made and made[1] > 0 else None, 0, 100)

    # --- what was counted by running the library

    def say_bound(self, cpus, page_kib):
        return mib(self.contention.bound('tree', cpus, page_kib))

    def say_bounds(self, cpus):
        values = [mib(self.contention.bound(design, cpus)) + ' MiB'
                  for design in ('tree', 'flat32', 'percpu_counter')]
        return cells((6, 15, 17, 21), [cpus, *values])

    def say_range(self, cpus, used):
        """Of one counter, in MiB, when neighbours have used it."""
        return self.most(self.contention.ranges, cpus, used)

    def say_spread(self, cpus, used):
        """The same, when CPUs in equal distances have."""
        return self.most(self.contention.spreads, cpus, used)

    def most(self, ranges, cpus, used):
        pages = ranges.get((cpus, used))
        return fixed(max(pages) if pages else None, 2, 4096 / MIB)

    def say_peak(self, cpus):
        """By how much a peak is missed: nine eighths of the range of three counters."""
        pages = self.contention.ranges.get((cpus, cpus))
        return fixed(3 * sum(pages) if pages else None, 0, 9 / 8 * 4096 / MIB)

    def busiest(self, design, cpus, *pattern):
        """Writes per page of the busiest line. "flat" is the best one, which writes all alike."""
        if design != 'flat':
            return self.contention.busiest(design, cpus, *pattern)
        batch, _ = self.contention.flat(int(cpus))
        return 1 / batch if batch else None

    def say_few(self, design, cpus):
        return fixed(self.busiest(design, cpus, 'few'), 0, 1000)

    def say_busy(self, design, cpus, million):
        """Percent of the time."""
        digits = 0 if design == 'flat' else 1
        return fixed(self.busiest(design, cpus), digits, 100 * float(million) * 1e6 * NS * 1e-9)

    def say_transfer(self):
        """ns that a line takes from one CPU to another, with which busy is worked out."""
        return fixed(NS)

    def say_why(self, cpus):
        c = self.contention
        batch, error = c.flat(int(cpus))
        tree, flat, percpu, doubling = (
            fixed(self.busiest(design, cpus), 1, 1000)
            for design in ('tree', 'flat', 'percpu_counter', 'doubling32'))
        return cells((6, 6, 5, 7, 7, 4, 7, 9, 8, 8, 8), [
            cpus, fixed(c.batches.get((cpus, '4'))), fixed(c.bound('tree', cpus), 1, 1 / MIB), tree,
            fixed(batch), fixed(error, 0, 1 / MIB), flat,
            fixed(c.bound('percpu_counter', cpus), 0, 1 / MIB), percpu,
            fixed(c.bound('doubling32', cpus), 0, 1 / MIB), doubling])

    def say_writes(self, cpus):
        """Of leaves in all, the root and a percpu_counter, for three loads."""
        texts = [cpus]
        for load in (('grow', 1), ('grow', 16), ('swing', 1)):
            leaf, root, percpu = (fixed(self.contention.total(design, cpus, *load, kind), 1, 1000)
                                  for design, kind in (('tree', 'leaf'), ('tree', 'root'),
                                                       ('percpu_counter', 'root')))
            # A tree of a root alone has no leaves.
            texts += ['-' if leaf == 'missing' != root else leaf, root, percpu]
        return cells((6, 8, 6, 8, 9, 6, 8, 9, 6, 8), texts)

    # --- what was timed

    def timed(self, name, design, threads):
        table = self.results.table('native', name, 3, 1, (1,))
        return fixed(table.get((design, threads, 'same')), 1)

    def say_add(self, design, threads):
        return self.timed('add', design, threads)

    def say_adds(self, design):
        return cells((7, 7, 7, 10, 7, 7), [self.timed(name, design, threads)
                                           for threads in ('1', '2')
                                           for name in ('add', 'add16', 'add512')])

    def say_sum(self, design, cpus):
        """ns for all four counters of a process."""
        return fixed(self.results.table('native', 'sum', 2, 1, (1,)).get((design, cpus)))

    def say_processor(self):
        native = self.results.single.get('native')
        return native and native.head('processor') or 'missing'
