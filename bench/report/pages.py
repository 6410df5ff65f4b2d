# SPDX-License-Identifier: GPL-2.0
"""The directives of results.md.in."""
import fnmatch
import os
from collections import Counter

import model
from counted import Counted
from markdown import MIB, cell, grouped, label, markdown, or_missing, percent, words, wrapped
from missed import Missed
from raw import KERNELS, Error, Figure, number
from targets import ratio
from template import Template
from timed import Timed


class Page(Template, Counted, Timed, Missed):
    def __init__(self, results, rows, causes, pictures):
        super().__init__(results, rows)
        self.causes, self.pictures = causes, pictures
        self.shown = set()

    def fill(self, template, where):
        text = super().fill(template, where)
        hidden = [name for name in self.rows if name not in self.shown]
        if hidden:
            raise Error(f'{where}: does not show {" ".join(hidden)}')
        return wrapped(text)

    def matching(self, patterns):
        found = [row for pattern in patterns for row in self.rows.values()
                 if fnmatch.fnmatchcase(row.name, pattern)]
        if not found:
            raise Error(f'results.md.in: no row is called {" or ".join(patterns)}')
        self.shown.update(row.name for row in found)
        return found

    # --- what was measured

    def say_machines(self):
        head = ['figures', 'commit of the series', 'Linux', 'CPUs', 'runs', 'compiler', 'on']
        kinds = {}
        for raw in self.results.files():
            kinds.setdefault(raw.head('kind') or 'kind missing', []).append(raw)
        runs = {kind: [] for kind in kinds}
        for machine in self.results.qemu + self.results.host:
            kind = machine.all_runs()[0].head('kind') or 'kind missing'
            # Of the same figures. Run 0 has what is measured once.
            runs[kind] += [n for some in machine.runs.values() for n in Counter(
                raw.head('sets') for raw in some if raw.head('run') != '0').values()]

        def all_of(kind, name, absent='missing'):
            found = {raw.head(name) for raw in kinds[kind]} - {None, 'none'}
            return ', '.join(sorted(found, key=lambda word: (number(word) or 0, word))) or absent

        body = []
        for kind in kinds:
            counted = kind == 'writes'
            labels = [label(m) for m in self.results.qemu] if kind == 'qemu' else []
            numbers = runs[kind] or [1]
            least, most = min(numbers), max(numbers)
            on = {'qemu': 'QEMU, x86_64, TCG', 'writes': '-'}.get(kind)
            body.append([
                kind, all_of(kind, 'series'),
                all_of(kind, 'version', '-' if kind in ('writes', 'native') else 'missing'),
                '-' if counted else ', '.join(labels) or all_of(kind, 'cpus'),
                str(most) if least == most else f'{least} to {most}',
                all_of(kind, 'compiler'), on or all_of(kind, 'processor')])
        text = markdown(head, body, len(head))
        configs = {raw.head('config') for raw in self.results.files()} - {None}
        if configs:
            text += '\n\nConfiguration of the kernels: ' + '; '.join(sorted(configs)) + '.'
        unfinished = [os.path.relpath(raw.path, self.results.path)
                      for raw in self.results.files() if not raw.finished]
        if unfinished:
            text += ('\n\nThese runs did not come to their end, and count for what they have: '
                     + ', '.join(unfinished) + '.')
        return text

    def say_largest(self):
        machine = self.results.largest()
        return label(machine) if machine else 'missing'

    def say_picture(self, name, *text):
        if name not in self.pictures:
            return f'(There is no picture {name}.svg: its figures are missing.)'
        return f'![{" ".join(text)}]({name}.svg)'

    def say_rows(self, *patterns):
        return self.row_table(self.matching(patterns), self.results.qemu)

    def row_table(self, rows, machines, targets=True):
        head = ['what', 'CPUs', *KERNELS, '/base', '/floor'] + ['target', ''] * targets
        body = []
        for row in rows:
            text, unmeasured = row.text, []
            for machine in machines:
                if not row.measured(machine):
                    unmeasured.append(label(machine))
                    continue
                base, floor, patched = (machine.median(kernel, row.name) for kernel in KERNELS)
                line = [text, label(machine)]
                line += [cell(machine.figure(kernel, row.name)) for kernel in KERNELS]
                line += [ratio(patched, base), ratio(patched, floor)]
                if targets:
                    verdict = row.verdict(machine)
                    line += [row.target_of(machine.cpus).replace('*', ' x '),
                             '**missed**' if verdict == 'MISSED' else verdict]
                body.append(line)
                text = ''
            if unmeasured or not machines:
                where = ', '.join(unmeasured) if len(unmeasured) < len(machines) else 'all'
                body.append([text, where] + ['missing'] * 3 + ['-'] * 2 + [row.target, ''])
        return markdown(head, body, 2)

    def say_oom(self, where):
        """All numbers of tasks side by side."""
        counts = ('40', '1000', '10000')
        head = ['tasks', 'CPUs'] + [f'{int(count):,}: {kernel}' for count in counts
                                    for kernel in KERNELS]
        body = []
        for threads, kind, text in (('1', 'hog', '1 thread, one large'),
                                    ('1', 'equal', '1 thread, all equal'),
                                    ('8', 'hog', '8 threads, one large'),
                                    ('8', 'equal', '8 threads, all equal')):
            rows = self.matching([f'oom_{where}_{count}_{threads}_{kind}' for count in counts])
            for machine in self.results.qemu:
                line = [text, label(machine)]
                for row in rows:
                    line += [cell(machine.figure(kernel, row.name)) for kernel in KERNELS]
                    if row.measured(machine) and row.verdict(machine) == 'MISSED':
                        line[-1] += ' **missed**'
                if any(row.measured(machine) for row in rows):
                    body.append(line)
                    text = ''
        return or_missing(markdown(head, body, 2), body)

    def say_ten(self):
        machine = self.results.largest()
        names = ('oom_memcg_1000_1_hog', 'oom_memcg_1000_8_equal', 'fault_running', 'fork',
                 'dontneed_threaded', 'event', 'statm_threaded')
        body = []
        for row in self.matching(names):
            figures = [machine.figure(kernel, row.name) if machine else None for kernel in KERNELS]
            body.append([row.text, f'instructions, {self.say_largest()} CPUs']
                        + [cell(figure) for figure in figures])
        c = self.contention
        ends = ('percpu_counter', 'tree')

        def line(text, unit, floor, values):
            body.append([text, unit + ', 512 CPUs', values[0], floor, values[1]])

        bounds = [c.bound(design, 512) for design in ends]
        line('guaranteed error of one counter, all CPUs used', 'MiB', 'exact',
             [grouped(None if b is None else b / MIB) for b in bounds])
        sizes = [c.memory.get((design, '512'), (None, None)) for design in ends]
        line('memory of the counters of a process, one thread / several', 'bytes', '-',
             [' / '.join(grouped(size) for size in pair) for pair in sizes])
        line('busy share of the hottest line, 1 million faults/s in one process', 'share of time',
             '-', [percent(c.busy(design, 512, 1e6, model.SLOWEST[3])) for design in ends])
        return markdown(['what', 'unit', 'base', 'floor', 'patched'], body, 2)

    def say_victims(self):
        said = self.killed()
        if not said:
            return 'Which task was killed is missing.'
        parts = [f'{kernel}: {said[kernel].count("largest")} of {len(said[kernel])}'
                 for kernel in KERNELS if kernel in said]
        return ('Searches with one large task after which it was checked that this task, and no '
                'other, was killed (each check covers five kills): ' + ', '.join(parts) + '.')

    def say_known(self):
        """Values with a known truth: those that are off somewhere, and in one line the others."""
        body, exact, absent = [], [], []
        for name in ('VmRSS', 'RssAnon', 'RssFile', 'RssShmem', 'VmHWM'):
            lines = [[name, label(machine)] + figures for machine in self.results.qemu
                     if any(figures := [machine.figure(k, 'known_' + name) for k in KERNELS])]
            flat = [figure for line in lines for figure in line[2:]]
            if not lines:
                absent.append(name)
            elif all(isinstance(f, Figure) and f.low == f.high == 0 for f in flat):
                exact.append(name)
            else:
                body += [line[:2] + [cell(figure) for figure in line[2:]] for line in lines]
        text = markdown(['value', 'CPUs', *KERNELS], body, 2) if body else ''
        if exact:
            text += (f'\n\nExact in each run of each kernel: {words(exact)}.')
        if absent:
            text += f'\n\nMissing: {words(absent)}.'
        return text.strip()

    def say_hop(self):
        """How far off RSS was at worst, and whether always within its range."""
        body = []
        for machine in self.results.qemu:
            for kernel in KERNELS:
                steps = machine.hops(kernel)
                if not steps:
                    continue
                errors = [approx - precise for _, _, precise, approx in steps]
                verdict = '-'
                if kernel == 'patched':
                    ranges = [self.contention.range_of(machine.possible, used)
                              for _, used, _, _ in steps]
                    verdict = 'range missing'
                    if None not in ranges:
                        inside = sum(-12 * under <= error <= 12 * over for error, (under, over)
                                     in zip(errors, ranges))
                        verdict = f'{inside} of {len(errors)}'
                body.append([label(machine), kernel, f'{min(errors) / 1024:.2f}',
                             f'{max(errors) / 1024:.2f}', verdict])
        return or_missing(markdown(
            ['CPUs', 'kernel', 'most below, MiB', 'most above, MiB', 'readings in range'],
            body, 2), body)

    def say_remote(self):
        body = []
        for machine in self.results.qemu:
            line = [label(machine)]
            for kernel in KERNELS:
                made = machine.remote(kernel)
                share = percent(made[0] / made[1]) if made and made[1] > 0 else None
                line.append(f'{grouped(made[0])} of {grouped(made[1])}, {share}'
                            if share else 'missing')
            if set(line[1:]) != {'missing'}:
                body.append(line)
        return or_missing(markdown(['CPUs', *KERNELS], body), body)

    def say_host(self):
        if not self.results.host:
            return 'There are none yet.'
        parts = []
        for machine in self.results.host:
            rows = [row for row in self.rows.values() if row.measured(machine)]
            parts.append(f'### {machine.label}\n\n' + self.row_table(rows, [machine], False))
        return '\n\n'.join(parts)
