# SPDX-License-Identifier: GPL-2.0
"""Make docs/results.md and its pictures of raw results, or print a table: see rig/report."""
import fnmatch
import os
import signal
import sys
import tempfile

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


def make_docs(path, out):
    results = raw.Results(path)
    rows = targets.rows(os.path.join(BENCH, 'rows'))
    drawn = pictures.make(results)
    template = os.path.join(HERE, 'results.md.in')
    page = pages.Page(results, rows, causes(), drawn)
    files = {f'{name}.svg': svg for name, svg in drawn.items()}
    files['results.md'] = page.fill(raw.read(template), template)
    os.makedirs(out, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix='.report-', dir=out) as half_made:
        for name, text in files.items():
            with open(os.path.join(half_made, name), 'w', encoding='utf-8') as file:
                file.write(text)
        # All or nothing: the page and its pictures belong together.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        for name in files:
            os.replace(os.path.join(half_made, name), os.path.join(out, name))
        for name in pictures.ALL:
            if name not in drawn and os.path.exists(os.path.join(out, f'{name}.svg')):
                os.remove(os.path.join(out, f'{name}.svg'))
    return 0


def main(arguments):
    verb, *rest = arguments
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        status = print_table(rest[0], rest[1:]) if verb == 'table' else make_docs(*rest)
        sys.stdout.flush()
        return status
    except raw.Error as error:
        message = str(error)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except OSError as error:
        message = f'cannot write {error.filename or "the output"}: {error.strerror}'
    print(f'report: {message}', file=sys.stderr)
    return 2


sys.exit(main(sys.argv[1:]))
