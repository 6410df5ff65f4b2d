# SPDX-License-Identifier: GPL-2.0
"""Directives: targets that are missed, figures that are worse than the base's, or missing."""
import model
from markdown import MIB, grouped, label, words
from raw import Error


class Missed:
    def computed(self):
        """Targets that are no rows: a name, a text and what is missed."""
        c = self.contention
        far = [f'{c.bound("tree", int(key[1])) / MIB:.1f} MiB at {key[1]} CPUs'
               for key in sorted(c.bounds, key=lambda key: int(key[1]))
               if key[0] == 'tree' and key[2] == '4' and int(key[1]) <= 1024
               and c.bounds[key] > model.ERROR]
        large = [f'{grouped(c.memory[key][1] - c.memory[key][0])} bytes at {key[1]} CPUs'
                 for key in sorted(c.memory, key=lambda key: int(key[1]))
                 if key[0] == 'tree' and c.memory[key][1] - c.memory[key][0] > 32 * int(key[1])]
        return {
            'bound': ('guaranteed error of one counter, target 16 MiB up to 1024 CPUs', far),
            'memory': ('per-CPU memory of a shared mm, target 32 bytes per CPU', large),
        }

    def missed(self):
        """For each missed target its name, text and figures; and the names that are reached."""
        found, reached = [], set()
        for row in self.rows.values():
            figures = []
            for machine in self.results.qemu:
                verdict = row.verdict(machine)
                if verdict == 'ok':
                    reached.add(row.name)
                if verdict != 'MISSED' or not row.measured(machine):
                    continue
                target = row.target_of(machine.cpus).replace('*', ' x ')
                figures.append(f'{self.say_figure(row.name, machine.label, "patched")} at '
                               f'{label(machine)} CPUs, target {target}'
                               f' = {grouped(row.limit(machine))}')
            if figures:
                found.append((row.name, row.text, figures))
        for name, (text, figures) in self.computed().items():
            if figures:
                found.append((name, text, figures))
            else:
                reached.add(name)
        return found, reached - {name for name, _, _ in found}

    def say_missed(self):
        found, reached = self.missed()
        for name in self.causes:
            if name not in self.rows and name not in self.computed():
                raise Error(f'bench/causes: there is no row {name}')
            if name in reached:
                raise Error(f'bench/causes: {name} reaches its target everywhere: remove its cause')
        without = [name for name, _, _ in found if name not in self.causes]
        if without:
            raise Error(f'bench/causes: missed, and without a cause: {" ".join(without)}')
        if not found:
            return 'Every target for which there are figures is reached.'
        return '\n'.join(f'- **{text}** (`{name}`): {"; ".join(figures)}. {self.causes[name]}'
                         for name, text, figures in found)

    def say_worse(self):
        lines = []
        for row in self.rows.values():
            if row.name.startswith('known_'):
                continue
            figures = []
            for machine in self.results.qemu:
                base, patched = (machine.median(k, row.name) for k in ('base', 'patched'))
                if base is not None and patched is not None and patched > 1.01 * base:
                    figures.append(f'{patched / base:.3f} at {label(machine)}' if base >= 100 else
                                   f'{grouped(patched)} for {grouped(base)} at {label(machine)}')
            if figures:
                lines.append(f'- {row.text}: {words(figures)} CPUs')
        return '\n'.join(lines) or 'There are none.'

    def say_slower(self):
        """Adds in time: the worst ratio to percpu_counter, for one thread and for two."""
        raw, parts = self.results.single.get('native'), []
        for threads in ('1', '2'):
            ratios = []
            for name in ('add', 'add16', 'add512'):
                table = raw.table(name, 3, 1, (1,)) if raw else {}
                pair = [table.get((d, threads, 'same')) for d in ('tree', 'percpu_counter')]
                if None not in pair:
                    ratios.append((pair[0] / pair[1], name.removeprefix('add') or '1', *pair))
            if ratios:
                _, pages, tree, other = max(ratios)
                parts.append(f'{grouped(tree)} ns instead of {grouped(other)} by '
                             f'{"one thread" if threads == "1" else "two threads to one counter"}'
                             f' (adds of {pages} pages)')
        return (f'Adds of the library, timed in userspace as on 512 CPUs, take up to '
                f'{words(parts)}: see [Adds](#adds).') if parts else 'Adds: missing.'

    def say_unmeasured(self):
        lines = []
        for machine in self.results.qemu:
            names = [row.name for row in self.rows.values() if not row.measured(machine)]
            if names:
                lines.append(f'- {label(machine)} CPUs: ' + ', '.join(names))
        return '\n'.join(lines) or 'There are none.'
