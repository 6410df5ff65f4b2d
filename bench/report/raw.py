# SPDX-License-Identifier: GPL-2.0
"""The raw files of measuring: text, one figure a line, "name value"."""
import os
import re
import statistics

KERNELS = ('base', 'floor', 'patched')
# What the text begins with.
HEADLINE = 'oom_memcg_1000_1_hog'
# There is nothing to measure on this machine; a figure that is not there is None.
NONE_HERE = '-'


class Error(Exception):
    """What is wrong with a file, in one line."""


class Figure:
    """The median of what several runs measured, and how far they are apart."""

    def __init__(self, values):
        self.median = statistics.median(values)
        self.low, self.high = min(values), max(values)

    @property
    def spread(self):
        return self.high - self.low > 0.005 * abs(self.median)


def read(path):
    try:
        with open(path, encoding='utf-8', errors='replace') as file:
            return file.read()
    except OSError as error:
        raise Error(f'cannot read {path}: {error.strerror}') from error


def entries(path):
    try:
        return sorted(os.listdir(path)) if os.path.isdir(path) else []
    except OSError as error:
        raise Error(f'cannot read {path}: {error.strerror}') from error


def number(word):
    try:
        value = float(word)
    except ValueError:
        return None
    return value if abs(value) < 1e300 else None


class Raw:
    """A raw file: the lines of each name, in words."""

    def __init__(self, path):
        self.path = path
        self.lines = {}
        # A run that was killed may have left a part of a line.
        for line in read(path).split('\n')[:-1]:
            name, _, words = line.strip().partition(' ')
            if name:
                self.lines.setdefault(name, []).append(words.split())
        self.finished = self.head('exit') == '0'

    def head(self, name):
        lines = self.lines.get(name)
        return ' '.join(lines[0]) if lines else None

    def shares_figures(self, other):
        """Each figure is in one set. Files that do not tell may have any."""
        mine, its = self.head('sets'), other.head('sets')
        return not mine or not its or bool(set(mine.split(',')) & set(its.split(',')))

    def wrong(self, name, words):
        return Error(f'{self.path}: "{" ".join([name] + words)}" is not a figure')

    def value(self, name):
        """A number, NONE_HERE, or None."""
        if name not in self.lines:
            return None
        words = self.lines[name][-1]
        if words == [NONE_HERE]:
            return NONE_HERE
        numbers = [number(word) for word in words]
        known = name.startswith('known_')
        if None in numbers or len(numbers) != 1 + known:
            raise self.wrong(name, words)
        # A truth and a value: the figure is how far the value is off.
        return numbers[1] - numbers[0] if known else numbers[0]

    def table(self, name, keys, values, counts=()):
        """
        Lines with @keys words and then @values numbers, as a dictionary; none of "-". The words at
        @counts are numbers of CPUs or threads.
        """
        result = {}
        for words in self.lines.get(name, []):
            if set(words[keys:]) == {NONE_HERE}:
                continue
            if len(words) != keys + values or not all(words[i].isdigit() for i in counts):
                raise self.wrong(name, words)
            numbers = [number(word) for word in words[keys:]]
            if None in numbers:
                raise self.wrong(name, words)
            key = words[0] if keys == 1 else tuple(words[:keys])
            result[key] = numbers[0] if values == 1 else tuple(numbers)
        return result


class Machine:
    """The runs of all kernels on one machine."""

    def __init__(self, label, cpus, possible=None):
        self.label = label
        self.cpus = cpus
        self.possible = possible or cpus
        self.runs = {}

    def add(self, kernel, raw):
        """
        Runs of one kernel make a median, so they must be of the same thing; what is compared was
        measured by the same programs in the same machine, as far as a file says it. Runs of other
        figures may be of another commit of the series.
        """
        for other in self.all_runs():
            names = ['version', 'config', 'compiler', 'page', 'emulator']
            if other.head('kernel') == kernel and other.shares_figures(raw):
                names.append('series')
            if other.head('sets') == raw.head('sets'):
                names += ['memory', 'tasks', 'programs']
            for name in names:
                mine, its = raw.head(name), other.head(name)
                if mine and its and mine != its:
                    raise Error(f'{raw.path}: {name} is {mine}, but {its} in {other.path}')
        self.runs.setdefault(kernel, []).append(raw)

    def figure(self, kernel, name):
        values = [raw.value(name) for raw in self.runs.get(kernel, [])]
        numbers = [value for value in values if value not in (None, NONE_HERE)]
        if numbers:
            return Figure(numbers)
        return NONE_HERE if NONE_HERE in values else None

    def median(self, kernel, name):
        figure = self.figure(kernel, name)
        return figure.median if isinstance(figure, Figure) else None

    def remote(self, kernel):
        """Updates of RSS from outside, and all, of all runs together; empty without figures."""
        tables = [raw.table('remote_updates', 0, 2).get(()) for raw in self.runs.get(kernel, [])]
        return [sum(numbers) for numbers in zip(*filter(None, tables))]

    def hops(self, kernel):
        """Of the first run with any: step, CPUs used, RSS and its approximation in KiB."""
        for raw in self.runs.get(kernel, []):
            steps = [[number(word) for word in words] for words in raw.lines.get('hop', [])]
            if any(len(step) != 4 or None in step for step in steps):
                raise Error(f'{raw.path}: a line "hop" has not four numbers')
            if steps:
                return steps
        return []

    def all_runs(self):
        return [raw for kernel in KERNELS for raw in self.runs.get(kernel, [])]


def qemu(path):
    """The machines of path/qemu/CPUS/KERNEL.RUN, the smallest first."""
    machines = []
    top = os.path.join(path, 'qemu')
    for label in entries(top):
        match = re.fullmatch(r'(\d+)(?:of(\d+))?', label)
        if not match:
            continue
        machine = Machine(label, int(match[1]), int(match[2] or match[1]))
        for name in entries(os.path.join(top, label)):
            kernel, _, run = name.partition('.')
            if kernel in KERNELS and run.isdigit():
                machine.add(kernel, Raw(os.path.join(top, label, name)))
        if machine.runs:
            machines.append(machine)
    return sorted(machines, key=lambda machine: (machine.cpus, machine.possible))


def host(path):
    """The machines of path/host/: one for each processor and number of CPUs."""
    machines = {}
    top = os.path.join(path, 'host')
    for name in entries(top):
        raw = Raw(os.path.join(top, name))
        if raw.head('kind') != 'host':
            raise Error(f'{raw.path}: has no line "kind host"')
        kernel, cpus = raw.head('kernel'), raw.head('cpus') or ''
        if kernel not in KERNELS or not cpus.isdigit():
            raise Error(f'{raw.path}: "kernel" and "cpus" do not tell what was measured')
        label = f'{raw.head("processor") or "processor missing"}, {cpus} CPUs'
        machines.setdefault(label, Machine(label, int(cpus))).add(kernel, raw)
    return [machines[label] for label in sorted(machines)]


class Results:
    """All that a directory of results holds."""

    def __init__(self, path):
        if not os.path.isdir(path):
            raise Error(f'there is no directory {path}')
        self.path = path
        self.qemu = qemu(path)
        self.host = host(path)
        single = {name: os.path.join(path, name) for name in ('writes', 'native')}
        self.single = {name: Raw(file) for name, file in single.items() if os.path.exists(file)}
        if not (self.qemu or self.host or self.single):
            raise Error(f'{path} holds no results: no qemu/CPUS/KERNEL.RUN, writes, native, host/')

    def table(self, kind, *arguments):
        raw = self.single.get(kind)
        return raw.table(*arguments) if raw else {}

    def largest(self):
        """The machine with most CPUs, all of them online, of which there is the headline."""
        whole = [machine for machine in self.qemu if machine.cpus == machine.possible]
        told = [machine for machine in whole if machine.median('patched', HEADLINE)]
        return (told or whole or [None])[-1]

    def files(self):
        runs = [raw for machine in self.qemu + self.host for raw in machine.all_runs()]
        return runs + list(self.single.values())
