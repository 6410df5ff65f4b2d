# SPDX-License-Identifier: GPL-2.0
"""The pictures, drawn by gnuplot: {name: svg}. One whose figures are missing is not drawn.

Lines differ in dashes and points, not in colour alone, and the ground is white, so that a picture
can be read in black and white and on a dark page.
"""
import re
import subprocess

import model
from markdown import MIB, label
from raw import Error, Figure

# colour, dashes, point type
STYLES = {
    'base': ('#b34700', '(12,5)', 5),
    'floor': ('#767676', '(2,4)', 9),
    'patched': ('#08306b', 'solid', 7),
    'percpu_counter': ('#b34700', '(12,5)', 5),
    'flat32': ('#2e7d32', '(12,4,2,4)', 12),
    'flat8': ('#7b1fa2', '(5,4)', 8),
    'doubling32': ('#767676', '(2,4)', 11),
    'tree': ('#08306b', 'solid', 7),
    'few': ('#08306b', '(6,3)', 6),
}
KERNELS = {
    'base': 'base: percpu_counter',
    'floor': 'floor: plain atomics',
    'patched': 'patched: this series',
}


FRAME = ('set border 3 lw 1.2', 'set tics nomirror out', 'set minussign', 'unset key',
         'set grid lc rgb "#d0d0d0" lw 0.7 dt solid')
TARGET = 'lc rgb "black" lw 1 dt solid'
KEY_LINE = 26


def style(name, points=True):
    colour, dashes, point = STYLES[name]
    width = 2.5 if dashes == 'solid' else 2
    text = f'lc rgb "{colour}" lw {width} dt {dashes}'
    return text + (f' pt {point} ps 0.8' if points else '')


class Plot:
    """One panel of a picture. What the lines are called is in the key below all panels."""

    def __init__(self, title, x, *settings):
        self.settings = [*FRAME, f'set title "{title}"', f'set xlabel "{x}"', *settings]
        self.curves, self.keys = [], []

    def line(self, text, points, how):
        """@points are drawn as gnuplot is told; @text is '' for what needs no name."""
        points = [point for point in points if None not in point]
        if points:
            self.curves.append((points, how))
            if text:
                how = re.sub(r'using \S+ with yerrorlines', 'with linespoints', how)
                self.keys.append((text, how))

    def script(self, prefix):
        data, plots = [], []
        for i, (points, how) in enumerate(self.curves):
            data.append(f'${prefix}{i} << EOD')
            data += [' '.join(f'{value:.6g}' for value in point) for point in points]
            data.append('EOD')
            plots.append(f'${prefix}{i} {how} notitle')
        return data, [*self.settings, 'plot ' + ', '.join(plots)]


def margins(left, right, bottom, top):
    return [f'set {side}margin at screen {value:.4f}'
            for side, value in zip('lrbt', (left, right, bottom, top))]


def draw(plots, y, columns=3):
    """The SVG of panels side by side with one unit @y, or None if one has nothing to show."""
    if not plots or not all(plot.curves for plot in plots):
        return None
    keys = dict(pair for plot in plots for pair in plot.keys)
    lines = -(-len(keys) // columns)
    height = 414 + KEY_LINE * lines
    bottom = 1 - 335 / height
    script = [f'set terminal svg size 800,{height} noenhanced font "sans-serif,13" '
              'background "#ffffff"', 'set encoding utf8']
    panels = []
    first, gap = 0.13, 0.085 if len(plots) > 2 else 0.105
    width = (0.98 - first + gap) / len(plots)
    for i, plot in enumerate(plots):
        data, commands = plot.script(f'panel{i}_')
        script += data
        left = first + i * width
        panels += ['reset', *margins(left, left + width - gap, bottom, 1 - 40 / height),
                   *commands]
    # The key is a panel of its own below the others, and tells the unit at their left.
    panels += ['reset', 'unset border', 'unset tics',
               f'set label "{y}" at screen 0.02,{1 - 187 / height:.4f} center rotate by 90',
               *margins(0.03, 0.97, 0.01, KEY_LINE * lines / height), 'set yrange [0:1]',
               'set xrange [0:1]', f'set key center center horizontal Left reverse samplen 4 '
               f'maxrows {lines}',
               'plot -1 notitle, ' + ', '.join(f'keyentry {how} title "{text}"'
                                   for text, how in keys.items())]
    script += ['set multiplot', *panels, 'unset multiplot']
    try:
        done = subprocess.run(['gnuplot'], input='\n'.join(script) + '\n', text=True,
                              capture_output=True, check=False)
    except OSError as failed:
        raise Error(f'cannot run gnuplot: {failed.strerror}') from failed
    if done.returncode or not done.stdout.rstrip().endswith('</svg>'):
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise Error(f'gnuplot failed: {said[-1].strip() if said else "it drew nothing"}')
    return done.stdout


def ticks(axis, values):
    places = (f'"{value:,}" {value}' for value in values)
    return f'set {axis}tics ({", ".join(places)})'


def cpu_ticks(counts, factor=2):
    """Ticks at powers of @factor that span the numbers of CPUs, and room at both ends."""
    least, most = min(counts, default=1), max(counts, default=2)
    values = [2 ** n for n in range(20) if least <= 2 ** n <= most]
    values = values[::factor.bit_length() - 1]
    return (f'set xtics ({", ".join(str(value) for value in values)})',
            f'set xrange [{least / 1.25:.6g}:{most * 1.25:.6g}]')


def whole(results):
    return [machine for machine in results.qemu if machine.cpus == machine.possible]


def by_cpus(results, kernel, name):
    return [(machine.cpus, machine.median(kernel, name)) for machine in whole(results)]


def oom(results, _):
    counts = [machine.cpus for machine in whole(results)]
    largest = results.largest()
    powers = ticks('y', (100, 1000, 10000, 100000))
    axes = ('set logscale xy', powers, 'set yrange [80:100000]')
    panels = []
    for name, what in (('1_hog', '1 thread, one large'),
                       ('8_equal', '8 threads, all equal')):
        plot = Plot(what, 'CPUs (1,000 tasks)', *axes, *cpu_ticks(counts, 4))
        for kernel, text in KERNELS.items():
            plot.line(text, by_cpus(results, kernel, f'oom_memcg_1000_{name}'),
                      f'with linespoints {style(kernel)}')
        panels.append(plot)
    # Most tasks are not taken on all machines.
    largest = next((machine for machine in reversed(whole(results))
                    if machine.median('patched', 'oom_memcg_10000_1_hog')), largest)
    plot = Plot('1 thread, one large',
                f'tasks ({label(largest) if largest else 0} CPUs)', *axes,
                ticks('x', (40, 1000, 10000)), 'set xrange [20:20000]')
    for kernel, text in KERNELS.items():
        plot.line(text, [(n, largest and largest.median(kernel, f'oom_memcg_{n}_1_hog'))
                         for n in (40, 1000, 10000)], f'with linespoints {style(kernel)}')
    panels.append(plot)
    return draw(panels, 'instructions per task')


def bound(_, contention):
    counts = sorted({int(key[1]) for key in contention.bounds if key[2] == '4'})
    plot = Plot('Guaranteed error of one counter, all CPUs used, 4 KiB pages', 'CPUs',
                'set logscale xy', 'set yrange [0.03:1000000]', *cpu_ticks(counts),
                ticks('y', (0.1, 1, 10, 100, 1000, 10000, 100000, 1000000)))
    for design, text in model.DESIGNS.items():
        values = [(cpus, contention.bound(design, cpus)) for cpus in counts]
        plot.line(text, [(n, v / MIB) for n, v in values if v],
                  f'with linespoints {style(design)}')
    if plot.curves:
        plot.line('16 MiB', [(n, model.ERROR / MIB) for n in (counts[0], counts[-1])],
                  f'with lines {TARGET}')
    return draw([plot], 'MiB')


def memory(_, contention):
    counts = sorted({int(key[1]) for key in contention.memory})
    panels = []
    for index, what in enumerate(('one thread', 'several threads')):
        plot = Plot(f'RSS counters, process of {what}', 'CPUs',
                    'set logscale xy', *cpu_ticks(counts, 4), 'set yrange [80:1000000]',
                    ticks('y', (100, 1000, 10000, 100000, 1000000)))
        for design, text in model.DESIGNS.items():
            # Flat counters take about as much as percpu_counters.
            if design in model.FLAT:
                continue
            values = [(n, contention.memory.get((design, str(n)))) for n in counts]
            plot.line(text, [(n, pair[index]) for n, pair in values if pair],
                      f'with linespoints {style(design)}')
        panels.append(plot)
    return draw(panels, 'bytes')


def dontneed(results, _):
    counts = [machine.cpus for machine in whole(results)]
    panels, most = [], 1.5
    for name, what in (('dontneed', 'one thread'), ('dontneed_threaded', 'a thread per CPU')):
        plot = Plot(f'Touch + MADV_DONTNEED, {what}', 'CPUs', 'set logscale x',
                    *cpu_ticks(counts))
        for kernel, aside in zip(KERNELS, (0.95, 1, 1.05)):
            points = []
            for machine in whole(results):
                base, figure = machine.median('base', name), machine.figure(kernel, name)
                if base and isinstance(figure, Figure):
                    off = [100 * (value / base - 1)
                           for value in (figure.median, figure.low, figure.high)]
                    points.append((machine.cpus * aside, *off))
                    most = max(most, *map(abs, off))
            plot.line(KERNELS[kernel], points,
                      f'using 1:2:3:4 with yerrorlines {style(kernel)}')
        if plot.curves:
            plot.line('target: at most 1 % above base', [(min(counts), 1), (max(counts), 1)],
                      f'with lines {TARGET}')
        panels.append(plot)
    for plot in panels:
        plot.settings.append(f'set yrange [{-1.1 * most:.6g}:{1.1 * most:.6g}]')
    return draw(panels, 'instructions, difference from base in %', 2)


def error(results, contention):
    """How far off RSS is over time; beside it this series alone, in its range."""
    candidates = [m for m in whole(results) if m.hops('base') and m.hops('patched')]
    if not candidates:
        return None
    machine = candidates[-1]
    step = f'step: threads hop over {label(machine)} CPUs'
    both = Plot('RSS read cheaply, minus RSS', step, 'set xtics 60')
    near = Plot('This series alone', step, 'set xtics 60')
    ends = []
    for number, used, _, _ in machine.hops('patched'):
        pages = contention.range_of(machine.possible, used)
        # RSS is the sum of three counters.
        if pages:
            ends.append((number, *(3 * n * 4096 / MIB for n in pages)))
    near.line('its declared range',
              [(number, -under, over) for number, under, over in ends],
              'with filledcurves fs solid lc rgb "#d4d4d4"')
    for kernel in ('base', 'patched'):
        points = [(number, (approx - precise) / 1024)
                  for number, _, precise, approx in machine.hops(kernel)]
        how = f'with lines {style(kernel, False)}'
        both.line(KERNELS[kernel], points, how)
        if kernel == 'patched':
            near.line(KERNELS[kernel], points, how)
    return draw([both, near], 'MiB')


def busy(_, contention):
    counts = [n for n in contention.cpus() if n <= 1024]
    ns = model.SLOWEST[3]
    axes = ('set logscale xy', 'set yrange [0.003:200]', ticks('y', (0.01, 0.1, 1, 10, 100)))
    over = Plot('10 million page faults/s in one process', 'CPUs', *axes, *cpu_ticks(counts, 4))
    against = Plot('The same at 512 CPUs, against the error',
                   'guaranteed error of one counter in MiB', *axes,
                   ticks('x', (1, 16, 256, 4096)), 'set xrange [1:65536]')
    for design, text in model.DESIGNS.items():
        shares = [(n, contention.busy(design, n, 10e6, ns)) for n in counts]
        over.line(text, [(n, 100 * share) for n, share in shares if share],
                  f'with linespoints {style(design)}')
        share, far = contention.busy(design, 512, 10e6, ns), contention.bound(design, 512)
        if share and far:
            against.line('', [(far / MIB, 100 * share)],
                         f'with points {style(design)}'.replace('ps 0.8', 'ps 1.4'))
            # Where a name is near its point, but not on the line or at another one.
            beside = {'tree': '1.5,0 left', 'flat32': '1.5,0 left', 'doubling32': '0,-1.2 center'}
            against.settings.append(f'set label "{text}" at {far / MIB:.6g},{100 * share:.6g} '
                                    f'offset {beside.get(design, "0,1.1 center")}')
    shares = [(n, contention.busy('tree', n, 10e6, ns, 'few')) for n in counts if n > 16]
    over.line(model.FEW, [(n, 100 * share) for n, share in shares if share],
              f'with linespoints {style("few")}')
    if against.curves:
        against.line('16 MiB', [(model.ERROR / MIB, y) for y in (0.003, 200)],
                     f'with lines {TARGET}')
    return draw([over, against], 'busy share of the hottest line in %')


ALL = {'oom': oom, 'bound': bound, 'memory': memory, 'dontneed': dontneed, 'error': error,
       'busy': busy}


def make(results):
    contention = model.Contention(results)
    drawn = {name: picture(results, contention) for name, picture in ALL.items()}
    return {name: svg for name, svg in drawn.items() if svg}
