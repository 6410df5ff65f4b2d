# SPDX-License-Identifier: GPL-2.0
"""A text with {{name argument...}} in it, which becomes what the method say_name returns."""
import re

import model
from markdown import grouped
from raw import Error, Figure


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

    def say_figure(self, name, cpus, kernel):
        figure = self.figure(name, cpus, kernel)
        return grouped(figure.median) if isinstance(figure, Figure) else figure or 'missing'
