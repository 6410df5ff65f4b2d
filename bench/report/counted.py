# SPDX-License-Identifier: GPL-2.0
"""Directives: what was counted by running the library, and what follows from it."""
import model
from markdown import MIB, grouped, markdown, or_missing, percent, words


class Counted:
    def say_bounds(self):
        c = self.contention
        counts = sorted({int(key[1]) for key in c.bounds if key[2] == '4'})
        body = []
        for cpus in counts:
            values = [c.bound(design, cpus) for design in model.DESIGNS]
            line = [grouped(None if v is None else v / MIB) for v in values]
            for kib in (16, 64):
                value = c.bound('tree', cpus, kib)
                batch = c.batches.get((str(cpus), str(kib)))
                line.append(f'{grouped(None if value is None else value / MIB)}, '
                            f'{grouped(batch)}')
            line[len(values) - 1] += f', {grouped(c.batches.get((str(cpus), "4")))}'
            body.append([str(cpus)] + line)
        names = list(model.DESIGNS.values())
        names[-1] += ', and its batch'
        return or_missing(markdown(
            ['CPUs', *names, 'the same, 16 KiB pages', '64 KiB pages'], body), body)

    def say_range(self):
        """When the CPUs used are neighbours."""
        return self.range_table(self.contention.ranges)

    def say_spread(self):
        """When they are in equal distances from each other."""
        return self.range_table(self.contention.spreads)

    def range_table(self, ranges):
        counts = [n for n in (64, 256, 512, 1024) if any(key[0] == str(n) for key in ranges)]
        used = sorted({int(key[1]) for key in ranges if int(key[0]) in counts})
        body = []
        for n in used:
            line = [str(n)]
            for cpus in counts:
                pages = ranges.get((str(cpus), str(n)))
                line.append('-' if n > cpus else 'missing' if pages is None else
                            f'{pages[0] * 4096 / MIB:.2f} / {pages[1] * 4096 / MIB:.2f}')
            body.append(line)
        head = ['CPUs used'] + [f'machine of {cpus} CPUs' for cpus in counts]
        return or_missing(markdown(head, body), body)

    def say_memory(self):
        c = self.contention
        counts = sorted({int(key[1]) for key in c.memory})
        body = []
        for cpus in counts:
            line = [str(cpus)]
            for design in model.DESIGNS:
                pair = c.memory.get((design, str(cpus)))
                line.append('missing' if pair is None else grouped(pair[0]) if pair[0] == pair[1]
                            else f'{grouped(pair[0])} / {grouped(pair[1])}')
            body.append(line)
        return or_missing(markdown(['CPUs', *model.DESIGNS.values()], body), body)

    def say_writes(self, pattern, add):
        """Per 1,000 pages: all writes of each kind of line, and those of the busiest line."""
        c = self.contention
        kinds = [kind for kind in model.SHARED if any(
            key[0] == 'tree' and key[4] == kind for key in c.writes)]

        def per_thousand(writes):
            return 'missing' if writes is None else f'{1000 * writes:.2f}'

        body = []
        for cpus in c.cpus():
            line = [str(cpus)]
            line += [per_thousand(c.busiest(design, cpus, pattern, int(add)))
                     for design in model.DESIGNS]
            for kind in kinds:
                total = c.total('tree', cpus, pattern, int(add), kind)
                line.append('-' if total is None else per_thousand(total))
            body.append(line)
        head = ['CPUs', *model.DESIGNS.values()]
        names = {'leaf': 'leaves in all', 'node': 'other nodes in all', 'root': 'root'}
        head += [f'its {names[kind]}' for kind in kinds]
        return or_missing(markdown(head, body), body)

    def say_transfers(self):
        body = [[name] + [grouped(ns) if ns else '-' for ns in times]
                for name, *times in model.PUBLISHED]
        measured = self.measured('transfer', ())
        native = self.results.single.get('native')
        name = (native.head('processor') if native else None) or 'this machine'
        body.append([f'{name}: measured here, two cores of one guest', measured, '-', '-'])
        return markdown(['ns, one way', 'same last-level cache', 'same socket',
                         'other socket'], body)

    def say_slowest(self):
        return f'{model.SLOWEST[3]} ns, as between the sockets of {model.SLOWEST[0]}'

    def say_tenth(self):
        return percent(model.BUSY)

    def say_busy(self, pattern, add):
        c = self.contention
        times = [model.SLOWEST[3]] + ([c.transfer] if c.transfer else [])
        body = []
        for cpus in (n for n in (64, 256, 512) if n in c.cpus()):
            for design, text in model.DESIGNS.items():
                writes = c.busiest(design, cpus, pattern, int(add))
                line = [str(cpus), text,
                        'missing' if writes is None else f'{1000 * writes:.2f}']
                for ns in times:
                    line += [percent(c.busy(design, cpus, rate, ns, pattern, int(add)))
                             for rate in model.RATES]
                body.append(line)
        head = ['CPUs', 'design', 'writes per 1,000 pages']
        head += [f'busy at {grouped(rate / 1e6)} million/s, {grouped(ns)} ns'
                 for ns in times for rate in model.RATES]
        return or_missing(markdown(head, body, 2), body)

    def say_saturation(self):
        c = self.contention
        body = []
        for cpus in c.cpus():
            line = [str(cpus)]
            for design in model.DESIGNS:
                rates = [c.saturates(design, cpus, model.SLOWEST[3], 'grow', add)
                         for add in (1, 16)]
                line.append(' / '.join('missing' if r is None else grouped(r / 1e6)
                                       for r in rates))
            few = [c.saturates('tree', cpus, model.SLOWEST[3], 'few', add) for add in (1, 16)]
            line.append(' / '.join('missing' if r is None else grouped(r / 1e6) for r in few))
            body.append(line)
        head = ['CPUs', *model.DESIGNS.values(), model.FEW]
        return or_missing(markdown(head, body), body)

    def say_flat(self):
        """The best flat counter with the promise of this series, and where it does as well."""
        c = self.contention
        ns = model.SLOWEST[3]
        body, flat_rates, tree_rates, errors = [], {}, {}, {}
        for cpus in c.cpus():
            bound, tree = c.bound('tree', cpus), c.busiest('tree', cpus)
            if bound is None or not tree:
                body.append([str(cpus)] + ['missing'] * 6)
                continue
            batch, error = c.flat(cpus)
            errors[cpus] = error, bound
            flat_rates[cpus] = model.BUSY * 1e9 * batch / ns
            tree_rates[cpus] = model.BUSY * 1e9 / tree / ns
            near, far = (c.waiting('tree', cpus, times)
                         for times in (model.SLOWEST[1:], (ns, ns, ns)))
            body.append([
                str(cpus), f'{batch}, {grouped(error / MIB)}',
                f'{grouped(c.batches.get((str(cpus), "4")))}, {grouped(bound / MIB)}',
                f'{1000 / batch:.1f} / {1000 * tree:.1f}', f'{1 / batch / tree:.1f}',
                f'{grouped(flat_rates[cpus] / 1e6)} / {grouped(tree_rates[cpus] / 1e6)}',
                f'{grouped(ns / batch)} / {grouped(near)}'
                + (f' to {grouped(far)}' if far != near else '')])
        head = ['CPUs', 'flat: batch, error in MiB', 'tree: batch, error in MiB',
                'busiest line, writes per 1,000 pages: flat / tree', 'ratio',
                f'million faults/s that keep it busy {percent(model.BUSY)}: flat / tree',
                'ns per page: flat / tree']
        lines = []
        for rate in model.RATES:
            flat = [n for n in errors if flat_rates[n] >= rate]
            alone = [n for n in errors if flat_rates[n] < rate <= tree_rates[n]]
            neither = [n for n in errors if max(flat_rates[n], tree_rates[n]) < rate]
            parts = [f'a flat counter does as well {where(flat, errors)}'] * bool(flat)
            parts += [f'only the tree does {where(alone, errors)}'] * bool(alone)
            parts += [f'neither does {where(neither, errors)}'] * bool(neither)
            if parts:
                lines.append(f'- At {grouped(rate / 1e6)} million page faults a second in one '
                             f'process, on all CPUs in turn: {"; ".join(parts)}.')
        smaller = [n for n, (flat, tree) in errors.items() if flat <= tree]
        if smaller:
            lines.append(f'- The error of the flat counter is not larger {where(smaller, errors)}.')
        return '\n\n'.join([or_missing(markdown(head, body), body), '\n'.join(lines)]).strip()


def where(some, every):
    """Numbers of CPUs in words."""
    every = list(every)
    if some == every:
        return 'at each number of CPUs above'
    if len(some) > 1 and some == every[:len(some)]:
        return f'up to {some[-1]} CPUs'
    if len(some) > 1 and some == every[-len(some):]:
        return f'from {some[0]} CPUs on'
    return f'at {words(map(str, some))} CPUs'
