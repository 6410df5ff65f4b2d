# SPDX-License-Identifier: GPL-2.0
"""Directives: what was measured in time, on real cores."""
import model
from markdown import cell, grouped, markdown, or_missing
from raw import NONE_HERE, Figure


class Timed:
    def measured(self, name, key):
        raw = self.results.single.get('native')
        if not raw or name not in raw.lines:
            return 'missing'
        if not key:
            value = raw.value(name)
            spread = raw.table(name + '_spread', 0, 2) if name + '_spread' in raw.lines else {}
        else:
            index = key[0] if len(key) == 1 else tuple(key)
            value = raw.table(name, len(key), 1).get(index)
            spread = raw.table(name + '_spread', len(key), 2)
        pair = spread.get(() if not key else index)
        if value in (None, NONE_HERE):
            return value or 'missing'
        return cell(Figure([pair[0], value, pair[1]])) if pair else grouped(value)

    def say_native(self):
        raw = self.results.single.get('native')
        if not raw:
            return 'a machine that is missing'
        return f'{raw.head("cpus") or "missing"} cores of {raw.head("processor") or "missing"}'

    def say_adds(self):
        raw = self.results.single.get('native')
        body, columns = [], []
        for name in ('add', 'add16', 'add512'):
            table = raw.table(name, 3, 1, (1,)) if raw else {}
            columns = columns or sorted({key[1:] for key in table},
                                        key=lambda key: (int(key[0]), key[1] == 'same'))
            for design in dict.fromkeys(key[0] for key in table):
                text = {'inactive': 'this series, before activation', **model.DESIGNS}
                body.append([name.removeprefix('add') or '1', text.get(design, design)] +
                            [self.measured(name, (design, *column)) for column in columns])
        heads = [f'{n} thread{"s" * (n != "1")}, {which} counter{"s" * (which != "same")}'
                 for n, which in columns]
        return or_missing(markdown(['pages', 'design', *heads], body, 2), body)

    def say_sums(self):
        raw = self.results.single.get('native')
        table = raw.table('sum', 2, 1, (1,)) if raw else {}
        counts = sorted({int(key[1]) for key in table})
        names = {'percpu_counter': 'percpu_counter, four walks', 'tree': 'this series, one walk',
                 'tree_used8': 'this series, 8 CPUs used'}
        body = [[names.get(design, design)] +
                [self.measured('sum', (design, str(cpus))) for cpus in counts]
                for design in dict.fromkeys(key[0] for key in table)]
        return or_missing(
            markdown(['ns'] + [f'{cpus} CPUs' for cpus in counts], body), body)
