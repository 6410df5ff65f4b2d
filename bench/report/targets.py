# SPDX-License-Identifier: GPL-2.0
"""The rows of bench/rows, whether their targets are reached, and the plain table of both."""
import re

from raw import KERNELS, NONE_HERE, Error, Figure, read

PART = r'(-|\d+|(?:base|floor)(?:\*\d+(?:\.\d+)?|\+\d+(?:/CPU)?))'
TARGET = re.compile(rf'{PART}(,\d+:{PART})*')


class Row:
    def __init__(self, name, target, text):
        self.name, self.target, self.text = name, target, text

    def target_of(self, cpus):
        """The one of several targets that holds for so many CPUs."""
        first, *others = self.target.split(',')
        for other in reversed(others):
            least, _, target = other.partition(':')
            if cpus >= int(least):
                return target
        return first

    def limit(self, machine):
        """The largest value that reaches the target; None if that cannot be told."""
        target = self.target_of(machine.cpus)
        part = re.split(r'[*+]', target)
        if len(part) == 1:
            return float(target)
        value = machine.median(part[0], self.name)
        if value is None:
            return None
        if '*' in target:
            return value * float(part[1])
        least, _, per_cpu = part[1].partition('/')
        return value + float(least) * (machine.possible if per_cpu else 1)

    def verdict(self, machine):
        """'ok', 'MISSED', or '' where there is no target or nothing to measure."""
        target = self.target_of(machine.cpus)
        figure = machine.figure('patched', self.name)
        if target == '-' or figure == NONE_HERE:
            return ''
        most = self.limit(machine)
        if figure is None or most is None:
            return 'MISSED'
        # Where 0 is the target, below it is as wrong as above.
        if figure.median > most or (target == '0' and figure.median < 0):
            return 'MISSED'
        return 'ok'

    def measured(self, machine):
        return any(machine.figure(kernel, self.name) is not None for kernel in KERNELS)


def lines(path):
    """The lines of a table in a file: fields with a tab between, comments after #."""
    for i, line in enumerate(read(path).splitlines(), 1):
        if line and not line.startswith('#'):
            yield f'{path}:{i}', line.split('\t')


def rows(path):
    result = {}
    for where, fields in lines(path):
        if len(fields) != 3 or fields[0] in result:
            raise Error(f'{where}: this is not a new name, a target and a text')
        if not TARGET.fullmatch(fields[1]):
            raise Error(f'{where}: "{fields[1]}" is no target')
        result[fields[0]] = Row(*fields)
    return result


def plain(value):
    return f'{value:.0f}' if value == int(value) else f'{value:.1f}'


def show(figure):
    if isinstance(figure, Figure):
        return plain(figure.median)
    return figure or 'missing'


def ratio(a, b):
    return f'{a / b:.3f}' if a is not None and b is not None and b > 0 else '-'


def table(machines, all_rows):
    """The text of the table, and how many targets are missed."""
    text, count = [], {'ok': 0, 'MISSED': 0, '': 0}
    version = {raw.head('version') for machine in machines for raw in machine.all_runs()} - {None}
    if version:
        text.append(f'Linux {" and ".join(sorted(version))}: instructions, '
                    'unless it says otherwise; the median if there are several runs')
    for machine in machines:
        text.append(f'\n{machine.label + " CPUs":48} {"base":>8} {"floor":>8} {"patched":>8} '
                    f'{"/base":>8} {"/floor":>8}  target')
        for row in all_rows.values():
            if not row.measured(machine):
                continue
            figures = [machine.figure(kernel, row.name) for kernel in KERNELS]
            base, floor, patched = (machine.median(kernel, row.name) for kernel in KERNELS)
            verdict = row.verdict(machine)
            count[verdict] += 1
            cells = [show(figure) for figure in figures]
            cells += [ratio(patched, base), ratio(patched, floor)]
            line = f'  {row.text:46} ' + ' '.join(f'{cell:>8}' for cell in cells)
            text.append(f'{line}  {row.target_of(machine.cpus):12} {verdict}'.rstrip())
        unmeasured = [row.name for row in all_rows.values() if not row.measured(machine)]
        if unmeasured:
            text.append(f'  not measured on any kernel: {" ".join(unmeasured)}')
        text += [f'  {raw.path} did not come to its end' for raw in machine.all_runs()
                 if not raw.finished]
    text.append(f'\n{count["ok"]} targets reached, {count["MISSED"]} missed')
    return '\n'.join(text), count['MISSED']
