"""Great Expectations' Data Docs of the standing rows: a folder of plain pages for analysts.

The sections of each page are rendered by Great Expectations out of validation results. The page
around them is the house's own, since the one that comes with the library loads its looks and
scripts from eleven addresses outside, tells the time, and speaks English only. So a page needs no
network and no script, is the same whenever it is made, and names each rule in Chinese first.

A validation result here is the outcome on the feed itself (`CheckResult`: rows that break a rule),
not that on the witness frame; no value of any row is shown.
"""

import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.feeds import load_contracts, rules
from pipelines.feeds.contract import FIRST_DAY, LAST_DAY
from pipelines.quality.plausibility import MORE, Finding
from pipelines.quality.queries import QUERIES
from pipelines.quality.rules import DATES, SHAPE, TITLES, Rule, rules_of
from pipelines.quality.validate import CheckResult, expectation
from pipelines.wording import bilingual

TEMPLATES = Path(__file__).parent / "templates"
QUESTIONS = "questions"
"""Name of the page on what is worth a question."""


def _(message: str) -> str:
    """Mark a message for the catalogue; it is translated when shown."""
    return message


BROKEN_ROWS, FOUND = _("Rows that break it"), _("Times found")


@dataclass(frozen=True)
class _Line:
    """One rule on a page: the section it stands in, what it says, what came out."""

    section: str
    rule: Rule
    says: str
    passed: bool
    found: str


def write_data_docs(
    results: Iterable[CheckResult], findings: Iterable[Finding], target: Path
) -> int:
    """Write the pages into an empty or new folder; answers the number of files.

    Args:
        results: outcomes of the suites, as `validate` answers them.
        findings: what is worth a question, as `plausible` answers it.
        target: the folder; what stands there is replaced.
    """
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    view = _View()
    by_feed: dict[str, list[CheckResult]] = {}
    for result in results:
        by_feed.setdefault(result.feed, []).append(result)
    contracts = load_contracts()
    entries = []
    for feed, own in by_feed.items():
        title = contracts[feed].title
        summary = bilingual(
            _("{rules} rules, {broken} not met; {rows} rows"),
            rules=len(own),
            broken=sum(not r.passed for r in own),
            rows=f"{own[0].rows:,}",
        )
        view.page(
            target / f"{feed}.html", f"{title} {feed}", summary, BROKEN_ROWS, _lines(feed, own)
        )
        entries.append((f"{feed}.html", f"{title} {feed}", summary))
    questions = bilingual(_("Worth a question, between feeds and over time"))
    asked = Counter({query.rule: 0 for query in QUERIES})
    for finding in findings:
        asked[finding.asked] += finding.count if finding.rule == MORE else 1
    summary = bilingual(
        _("{rules} questions asked, {found} things to confirm or explain"),
        rules=len(asked),
        found=sum(asked.values()),
    )
    view.page(target / f"{QUESTIONS}.html", questions, summary, FOUND, _question_lines(asked))
    entries.append((f"{QUESTIONS}.html", questions, summary))
    view.index(target / "index.html", entries)
    shutil.copyfile(TEMPLATES / "data_docs.css", target / "data_docs.css")
    return len(entries) + 2


def _lines(feed: str, results: list[CheckResult]) -> list[_Line]:
    contracts = load_contracts()
    contract = contracts[feed]
    known = {(r.name, r.column): r for r in [SHAPE, *rules_of(contract, contracts)]}
    headers = {c.landed_name: c.header for c in contract.columns}
    lines = []
    for result in results:
        rule = known[result.rule, result.column]
        names = [f"{headers.get(c, '')} {c}".strip() for c in result.column.split(", ") if c]
        found = bilingual(
            _("{broken} of {rows} rows"), broken=f"{result.failed_rows:,}", rows=f"{result.rows:,}"
        )
        if not result.passed and (rule is SHAPE or result.detail.startswith("not checked: ")):
            found = f"{found} ({result.detail})"
        lines.append(
            _Line("、".join(names) or contract.title, rule, _says(rule), result.passed, found)
        )
    return lines


def _says(rule: Rule) -> str:
    """The rule's name, and the values, limits or pattern that it holds columns to."""
    said = bilingual(TITLES[rule.name])
    if rule.kind == "set":
        return f"{said}: {'、'.join(map(str, rule.values))}"
    if (rule.low, rule.high) == DATES:
        return f"{said}: {FIRST_DAY}～{LAST_DAY}"
    if rule.kind == "range":
        ends = ["…" if end is None else f"{end:g}" for end in (rule.low, rule.high)]
        return f"{said}: {'～'.join(ends)}"
    return f"{said}: {rule.pattern}" if rule.kind == "pattern" else said


def _question_lines(asked: Mapping[str, int]) -> list[_Line]:
    contracts = load_contracts()
    return [
        _Line(
            f"{contracts[query.feed].title} {query.feed}",
            Rule(query.rule, query.feed, "count", (), query.sql),
            bilingual(rules()[query.rule].title),
            not asked[query.rule],
            f"{asked[query.rule]:,}",
        )
        for query in QUERIES
    ]


class _View:
    """The library's renderers, within the house's own pages."""

    def __init__(self) -> None:
        from great_expectations.render.renderer.column_section_renderer import (
            ValidationResultsColumnSectionRenderer,
        )
        from great_expectations.render.view.view import DefaultJinjaPageView

        self._sections = ValidationResultsColumnSectionRenderer()
        self._view = DefaultJinjaPageView(custom_views_directory=str(TEMPLATES))

    def page(self, path: Path, title: str, summary: str, outcome: str, lines: list[_Line]) -> None:
        """One page, a section for each group of lines, in the order in which they first appear."""
        grouped: dict[str, list[_Line]] = {}
        for line in lines:
            grouped.setdefault(line.section, []).append(line)
        sections = [self._section(name, outcome, group) for name, group in grouped.items()]
        self._write(path, "page", name=path.stem, title=title, summary=summary, sections=sections)

    def index(self, path: Path, entries: list[tuple[str, str, str]]) -> None:
        """The page that leads to the others."""
        title = bilingual(_("Data quality of every feed, rule by rule"))
        self._write(path, "index", title=title, entries=entries)

    def _write(self, path: Path, template: str, **given: Any) -> None:
        page = self._view.env.get_template(f"data_docs_{template}.html")
        path.write_text(page.render(home=bilingual(_("All feeds")), **given), encoding="utf-8")

    def _section(self, name: str, outcome: str, lines: list[_Line]) -> dict[str, Any]:
        """Lines as the library renders a column's results, with the house's words in the cells."""
        from great_expectations.core import ExpectationValidationResult

        rows = []
        for i, line in enumerate(lines):
            judged = expectation(line.rule, i)
            # Shown in place of the library's own English sentence; `$` would mark a parameter.
            judged.description = line.says.replace("$", "$$")
            result = ExpectationValidationResult(
                success=line.passed,
                expectation_config=judged.configuration,
                result={},
                exception_info={},
            )
            # One by one, since the library would sort them by kind and outcome.
            section = self._sections.render([result])
            header, table = section.content_blocks
            status, said, _observed = table.table[0]
            rows.append([status, said, line.found])
        header.header.string_template["template"] = name.replace("$", "$$")
        table.header_row = [bilingual(word) for word in (_("Holds"), _("Rule"), outcome)]
        table.header_row_options, table.table_options = {}, {}
        table.table = rows
        rendered: dict[str, Any] = section.to_json_dict()
        return rendered
