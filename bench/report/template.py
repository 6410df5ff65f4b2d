# SPDX-License-Identifier: GPL-2.0
"""A text with {{name argument...}} in it, which becomes what the method say_name returns."""
import re

import model
from markdown import grouped, percent
from raw import KERNELS, Error, Figure


class Template:
    def __init__(self, results, rows):
        self.results, self.rows = results, rows
        self.contention = model.Contention(results)

    def fill(self, template, where):
        def directive(match):
            name, *arguments = match[1].split()
            method = getattr(self, 'say_' + name, None)
            if not method:
                raise Error(f'{where}: there is no directive {name}')
            return method(*arguments)
        return re.sub(r'\{\{([^{}]+)\}\}', directive, template)

    def machine(self, cpus):
        if cpus == 'largest':
            return self.results.largest()
        return next((m for m in self.results.qemu if m.label == cpus), None)

    def figure(self, name, cpus, kernel):
        if name not in self.rows:
            raise Error(f'bench/rows has no row {name}')
        machine = self.machine(cpus)
        return machine.figure(kernel, name) if machine else None

    def killed(self):
        """What was killed where one task was large, by kernel: one word per check."""
        said = {}
        for machine in self.results.qemu:
            for kernel in KERNELS:
                for raw in machine.runs.get(kernel, []):
                    for name in raw.lines:
                        if name.startswith('oom') and name.endswith('victim'):
                            said.setdefault(kernel, []).extend(w[0] for w in raw.lines[name] if w)
        return said

    def say_targets(self):
        """How many are missed, of those that have a figure of some kernel."""
        tried = [(row, machine) for machine in self.results.qemu for row in self.rows.values()
                 if row.measured(machine) and row.verdict(machine)]
        missed = [pair for pair in tried if pair[0].verdict(pair[1]) == 'MISSED']
        blind = [machine for row, machine in missed if row.limit(machine) is None]
        text = (f'Of {len(tried)} targets, each for one row and one number of CPUs, '
                f'{len(missed)} are missed')
        if blind:
            text += f', {len(blind)} of them because the kernel to compare with has no figure'
        return text + '.'

    def say_few_busy(self, design, cpus, distance):
        return percent(self.contention.few_busy(design, int(cpus), distance))

    def say_once(self, name, cpus):
        """Nothing, where the text says that a figure was taken once."""
        machine = self.machine(cpus)
        for kernel in KERNELS if machine else ():
            runs = [raw for raw in machine.runs.get(kernel, []) if raw.value(name) is not None]
            if len(runs) > 1:
                raise Error(f'{name} was measured {len(runs)} times: a text says once')
        return ''

    def say_near(self):
        return f'{model.SLOWEST[1]} ns'

    def say_figure(self, name, cpus, kernel):
        figure = self.figure(name, cpus, kernel)
        return grouped(figure.median) if isinstance(figure, Figure) else figure or 'missing'
