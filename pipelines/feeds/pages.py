"""The analysts' page of the feeds, generated from contracts, code sets and rules.

`python -m pipelines.feeds.pages` prints it; `make docs` keeps it in `docs/feeds.md`. With the
setting `contracts` it tells of the city's own feeds and words too.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import get_args

from pipelines.feeds.contract import ORIGIN, Column, ColumnType, Contract, codes, load_contracts
from pipelines.feeds.rules import rules
from pipelines.feeds.words import accepts, example
from pipelines.wording import translator

HOW_TO_ADD = Path(__file__).with_name("adding.md")
"""The chapter that is written by hand; a test follows it."""

LAYERS = {
    "file": "The file as a whole",
    "cell": "Single cells",
    "row": "Rows of one file",
    "between": "Other feeds and files",
}
INTRODUCTION = """\
# The feeds

What schools, districts and the city hand in, as the contracts in `pipelines/feeds/contracts/` say
it. This page is generated (`make docs`); edit the YAML, not the page.

Files lie at `data/raw/<feed>/<school year>/<any name>`. A header is recognised by its Chinese
header, an alias or the canonical name, in any order of columns, whatever its case, white space,
full-width forms, or a unit in brackets behind it. Landed columns carry the canonical names; a
student's number lands as the pseudonym `student_key`, names do not land at all. Every landed row
also carries {origin}.

Severity of a problem: 错误 error, the file is not taken until it is corrected; 疑问 query, taken,
to be confirmed or explained; 提示 note, tidied by the reader, nothing to do.
"""


def page() -> str:
    """The whole page as Markdown."""
    contracts = load_contracts().values()
    parts = [
        INTRODUCTION.format(origin=_listed(f"`{name}`" for name in ORIGIN)),
        _contents(contracts),
        *(_feed(contract) for contract in contracts),
        _code_sets(contracts),
        _rules(),
        HOW_TO_ADD.read_text(encoding="utf-8").replace("{types}", _listed(get_args(ColumnType))),
    ]
    return "\n".join(part.rstrip() + "\n" for part in parts)


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)


def _both(message: str) -> str:
    """Chinese, then English; once, where a city's own words are the same in both."""
    return " / ".join(dict.fromkeys([translator("zh").gettext(message), message]))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table whose cells may hold any text."""
    yield _row(head)
    yield "|" + "---|" * len(head)
    yield from map(_row, rows)


def _row(cells: Sequence[str]) -> str:
    plain = (" ".join(cell.split()).replace("|", r"\|") for cell in cells)
    return "| " + " | ".join(plain) + " |"


def _contents(contracts: Iterable[Contract]) -> str:
    rows = [
        [
            f"[`{c.feed}`](#{c.feed})",
            c.title,
            _both(c.description),
            _listed(f"`{k}`" for k in c.key),
        ]
        for c in contracts
    ]
    return "\n".join(_table(["feed", "表", "one row", "key"], rows))


def _feed(contract: Contract) -> str:
    """One feed: grain and key, forms, columns."""
    lines = [
        f"## {contract.feed}",
        "",
        f"**{contract.title}** · {_both(contract.description)}",
        "",
        f"Key: {_listed(f'`{k}`' for k in contract.key)}.",
    ]
    if contract.depends_on:
        lines += [f"Refers to: {_listed(f'[`{f}`](#{f})' for f in contract.depends_on)}."]
    if contract.wide:
        names, values = contract.column(contract.wide.names), contract.column(contract.wide.values)
        lines += [
            f"Forms: long, or wide with a column each value of `{names.name}` ({names.header}) in "
            f"place of `{names.name}` and `{values.name}`; both land long."
        ]
    if contract.total:
        lines += [f"A column {contract.total} is checked against the sum, and not landed."]
    if contract.wave_elsewhere:
        lines += ["Title, sheet or file may name the wave in place of a column."]
    for rule in contract.rules:
        lines += [f"Rule `{rule.rule}`: {_listed(f'`{name}`' for name in rule.columns)}."]
    lines += ["", *_table(COLUMN_HEAD, (_column(contract, c) for c in contract.columns))]
    return "\n".join(lines)


COLUMN_HEAD = (
    "column", "表头", "also accepted", "landed as", "required", "holds", "example", "meaning"
)  # fmt: skip


def _column(contract: Contract, column: Column) -> list[str]:
    holds = accepts(column, "en")
    if column.code_set:
        holds = f"[{column.code_set}](#{column.code_set})"
    elif column.references:
        feed, _, name = column.references.partition(".")
        holds = f"[{feed}](#{feed}).{name}" + (
            f", or its {column.resolve_by}" if column.resolve_by else ""
        )
    if column.pattern:
        holds += f" `{column.pattern}`"
    landed = column.landed_name
    return [
        f"`{column.name}`",
        column.header,
        "、".join(column.aliases),
        f"`{landed}` {contract.landed[landed]}" if landed else "not landed",
        "yes" if column.required else "",
        holds,
        example(contract, column),
        _both(column.description),
    ]


def _code_sets(contracts: Iterable[Contract]) -> str:
    """Each code set with its words, the template's first, and the columns that hold it."""
    users: dict[str, list[str]] = {}
    for contract in contracts:
        for column in contract.columns:
            if column.code_set:
                users.setdefault(column.code_set, []).append(f"{contract.feed}.{column.name}")
    users.setdefault("score_status", []).append("any score, in place of it")
    lines = [
        "## Code sets",
        "",
        "The code is what is landed. Any of the words, or the code itself, may stand in a file; "
        "templates offer the first word.",
    ]
    for name, values in codes().items():
        rows = [[f"`{code}`", "、".join(words)] for code, words in values.items()]
        lines += ["", f"### {name}", "", f"In {_listed(users.get(name, []))}.", ""]
        lines += _table(["code", "words"], rows)
    return "\n".join(lines)


def _rules() -> str:
    """What is checked, by layer, in both languages."""
    lines = [
        "## Rules",
        "",
        "Each is defined once, in `pipelines/feeds/rules.yml`; `{found}` and `{expected}` stand "
        "for what the file says and what should stand there.",
    ]
    severities = {"error": "错误 error", "query": "疑问 query", "note": "提示 note"}
    for layer, title in LAYERS.items():
        rows = [
            [
                f"`{name}`",
                severities[rule.severity],
                _both(rule.title),
                _both(rule.message),
            ]
            for name, rule in rules().items()
            if rule.layer == layer
        ]
        if rows:
            lines += ["", f"### {title}", "", *_table(["rule", "severity", "title", "says"], rows)]
    return "\n".join(lines)


if __name__ == "__main__":
    print(page(), end="")
