# SPDX-License-Identifier: GPL-2.0
"""How figures and tables are written."""
import textwrap

from raw import Figure

MIB = 1 << 20


def grouped(value):
    """A number as a reader wants it: 1,234,567 or 12.3 or 0.0456."""
    if value is None:
        return 'missing'
    if value == 0:
        return '0'
    if abs(value) >= 100:
        return f'{value:,.0f}'
    if abs(value) >= 1:
        return f'{value:.1f}'.removesuffix('.0')
    return f'{value:.3g}' if abs(value) >= 0.001 else '< 0.001' if value > 0 else '> -0.001'


def percent(share):
    if share is None:
        return 'missing'
    if share >= 1:
        return 'all of it'
    value = 100 * share
    return f'{value:.0f} %' if value >= 10 else f'{value:.2g} %' if value >= 0.01 else '< 0.01 %'


def cell(figure):
    if not isinstance(figure, Figure):
        return figure or 'missing'
    text = grouped(figure.median)
    if figure.spread:
        text += f' ({grouped(figure.low)}..{grouped(figure.high)})'
    return text


def markdown(head, body, texts=1):
    """A table whose first @texts columns are texts, the others numbers."""
    marks = ['---'] * texts + ['--:'] * (len(head) - texts)
    return '\n'.join('| ' + ' | '.join(line) + ' |' for line in [head, marks, *body])


def or_missing(text, body):
    return text if body else '(These figures are missing.)'


def words(items):
    items = list(items)
    return ' and '.join([', '.join(items[:-1])] * bool(items[:-1]) + items[-1:])


def label(machine):
    return machine.label.replace('of', ' of ')


def wrapped(text, width=100):
    """Paragraphs and lists again in lines of this width, now that figures are in them."""
    blocks = []
    for block in text.strip().split('\n\n'):
        lines = block.strip('\n').split('\n')
        if lines[0].startswith('- '):
            items = '\n'.join(lines).split('\n- ')
            items = [items[0].removeprefix('- ')] + items[1:]
            block = '\n'.join(fill(item, width, '- ', '  ') for item in items)
        elif not (lines[0].startswith(('|', '#', ' ', '![', '[1]')) or set(lines[-1]) == {'-'}):
            block = fill(block, width)
        else:
            block = '\n'.join(lines)
        blocks.append(block)
    return '\n\n'.join(blocks) + '\n'


def fill(text, width, first='', others=''):
    return textwrap.fill(' '.join(text.split()), width, initial_indent=first,
                         subsequent_indent=others, break_long_words=False,
                         break_on_hyphens=False)
