# SPDX-License-Identifier: GPL-2.0
"""Make docs/ and the cover letter of raw results, or print a table: see rig/report."""
import signal
import sys

# Also while what follows is imported.
signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

import contextlib
import fnmatch
import os
import tempfile

import cover
import pages
import pictures
import raw
import targets

HERE = os.path.dirname(os.path.abspath(__file__))
BENCH = os.path.dirname(HERE)


def print_table(path, patterns):
    rows = targets.rows(os.path.join(BENCH, 'rows'))
    unknown = [p for p in patterns if not any(fnmatch.fnmatchcase(name, p) for name in rows)]
    if unknown:
        raise raw.Error(f'bench/rows has no row {" ".join(unknown)}')
    if patterns:
        rows = {name: row for name, row in rows.items()
                if any(fnmatch.fnmatchcase(name, p) for p in patterns)}
    results = raw.Results(path)
    if not results.qemu:
        raise raw.Error(f'{path}/qemu holds no results: no CPUS/KERNEL.RUN')
    text, missed = targets.table(results.qemu, rows)
    print(text)
    return missed > 0


def causes():
    found = {}
    for where, fields in targets.lines(os.path.join(BENCH, 'causes')):
        if len(fields) != 2 or fields[0] in found:
            raise raw.Error(f'{where}: this is not a new name and a cause')
        found[fields[0]] = fields[1]
    return found


def filled(text, name):
    template = os.path.join(HERE, name)
    return text.fill(raw.read(template), template)


def make_docs(source, out, letter):
    results = raw.Results(source)
    rows = targets.rows(os.path.join(BENCH, 'rows'))
    drawn = pictures.make(results)
    page = pages.Page(results, rows, causes(), drawn)
    files = {letter: filled(cover.Letter(results, rows), 'cover-letter.in'),
             os.path.join(out, 'results.md'): filled(page, 'results.md.in')}
    files.update({os.path.join(out, f'{name}.svg'): svg for name, svg in drawn.items()})
    with contextlib.ExitStack() as stack:
        half_made = {}
        for path, text in files.items():
            where = os.path.dirname(path) or '.'
            os.makedirs(where, exist_ok=True)
            half_made[path] = os.path.join(stack.enter_context(
                tempfile.TemporaryDirectory(prefix='.report-', dir=where)), 'text')
            with open(half_made[path], 'w', encoding='utf-8') as file:
                file.write(text)
        # All or nothing: the page, its pictures and the letter belong together.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        for path in files:
            os.replace(half_made[path], path)
        for name in pictures.ALL:
            if name not in drawn and os.path.exists(os.path.join(out, f'{name}.svg')):
                os.remove(os.path.join(out, f'{name}.svg'))
    return 0


def main(arguments):
    verb, *rest = arguments
    try:
        status = print_table(rest[0], rest[1:]) if verb == 'table' else make_docs(*rest)
        sys.stdout.flush()
        return status
    except raw.Error as error:
        message = str(error)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except OSError as error:
        message = f'cannot write {error.filename or "the output"}: {error.strerror}'
    print(f'report: {message}', file=sys.stderr)
    return 2


sys.exit(main(sys.argv[1:]))
