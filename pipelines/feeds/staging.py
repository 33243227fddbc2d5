"""The staging layer of the warehouse, written from the contracts: names and types, nothing else.

`python -m pipelines.feeds.staging` writes, into the dbt project, everything under `models/staging`
(sources, a model a feed, their tests and descriptions) and `macros/codes.sql`. A new feed is a new
contract and this command; a test holds what it writes and what stands there equal.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pipelines.feeds.contract import ORIGIN, Column, Contract, codes, load_contracts
from pipelines.settings import PROJECT

DBT_PROJECT = PROJECT / "dbt_project"
STAGING, CODES = Path("models/staging"), Path("macros/codes.sql")
WRITTEN = "Written by `python -m pipelines.feeds.staging` from {}; not to be edited."

ORIGIN_WORDS = {
    "school_year": "学年 · School year (`2023-2024`).",
    "source_file": "来源文件 · File the row was read from.",
    "source_sheet": "来源工作表 · Sheet of the file.",
    "source_row": "来源行 · Row of the sheet.",
    "file_sha256": "文件校验值 · SHA-256 of the file.",
    "key_id": "密钥编号 · Which key the pseudonyms of the row were made under.",
    "loaded_at": "入库时间 · When the row was landed.",
}
PSEUDONYM = "Pseudonym of the student number (HMAC-SHA-256)."
PORTABLE = {"varchar": "string", "integer": "int"}
"""Names of types that DuckDB and Spark both know, where the landing zone's is DuckDB's own."""

DEFAULTS = {("lesson_observations", "lessons"): 1}
"""What an empty cell stands for, where every user of the feed needs it."""
FILLED = {("monitoring_results", "status")}
"""Columns that a file may leave empty and that the intake fills."""
RELIED_ON = {("monitoring_results", "wave_id")}
"""References whose rows a later join would lose in silence; a broken one stops the build.

Any other reference only warns: a register may have changed since the row was taken.
"""

PARTS = {
    "monitoring_results": "wave_id, grade",
    "item_map": "wave_id, grade",
    "item_results": "wave_id",
}
"""Feeds of which a build looks up which parts have changed, and what tells the part of a row."""


class _Dumper(yaml.SafeDumper):
    """YAML as the project writes it: lists indented, a list of names on one line."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> Any:
        names = all(isinstance(value, str) for value in sequence)
        return super().represent_sequence(tag, sequence, flow_style=names)


def files(contracts: Mapping[str, Contract] | None = None) -> dict[Path, str]:
    """Path in the dbt project → content of every file that is made from the contracts.

    Args:
        contracts: by feed, each after those that it refers to; all of them unless given.
    """
    feeds = contracts or load_contracts()
    standing = {
        "name": "standing",
        "description": "The standing view of the landing zone, exactly the rows that stand.",
        "schema": "standing",
        "tables": [_source(contract) for contract in feeds.values()],
    }
    models = [_model(contract, feeds) for contract in feeds.values()]
    return {
        CODES: _codes(feeds),
        STAGING / "sources.yml": _yaml({"sources": [standing]}),
        STAGING / "staging.yml": _yaml({"models": models}),
        **{STAGING / f"stg_{feed}.sql": _select(contract) for feed, contract in feeds.items()},
    }


def write(project: Path = DBT_PROJECT) -> list[Path]:
    """Bring the project's files up to the contracts; answers those that changed or went."""
    wanted = {project / path: text for path, text in files().items()}
    stale = [path for path in (project / STAGING).glob("stg_*.sql") if path not in wanted]
    for path in stale:
        path.unlink()
    changed = [
        path
        for path, text in wanted.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for path in changed:
        path.write_text(wanted[path], encoding="utf-8")
    return [*changed, *stale]


def columns_of(contract: Contract) -> dict[str, str]:
    """Columns of a feed's staging model in order, and their types on any engine."""
    own = {name: kind for name, kind in contract.landed.items() if name not in ORIGIN}
    staged = {**own, "school_year": ORIGIN["school_year"]}
    return {name: PORTABLE.get(kind, kind.replace(",", ", ")) for name, kind in staged.items()}


def _select(contract: Contract) -> str:
    lines = []
    for name, kind in columns_of(contract).items():
        value = f"cast({name} as {kind})"
        default = DEFAULTS.get((contract.feed, name))
        lines.append(
            f"    {value if default is None else f'coalesce({value}, {default})'} as {name}"
        )
    note = WRITTEN.format(f"{contract.feed}.yml")
    selected = ",\n".join(lines)
    return f"-- {note}\nselect\n{selected}\nfrom {{{{ read_landing('{contract.feed}') }}}}\n"


def _source(contract: Contract) -> dict[str, Any]:
    words = {**_described(contract), **{name: ORIGIN_WORDS[name] for name in ORIGIN}}
    columns = [{"name": name, "description": text} for name, text in words.items()]
    return {
        "name": contract.feed,
        "description": _grain(contract),
        **_parts(contract.feed),
        "columns": columns,
    }


def _parts(feed: str) -> dict[str, Any]:
    return {"config": {"meta": {"parts": PARTS[feed]}}} if feed in PARTS else {}


def _model(contract: Contract, feeds: Mapping[str, Contract]) -> dict[str, Any]:
    feed = contract.feed
    landed = [c for c in contract.columns if c.landed_name]
    required = [str(c.landed_name) for c in landed if c.required or (feed, c.name) in FILLED]
    coded = {str(c.landed_name): name for c in landed if (name := _code_set(c))}
    key, never_null = contract.landed_key, [*required, "school_year"]
    others = [name for name in never_null if name not in key]
    if set(key) <= set(never_null):
        tests = [_test("primary_key", f"{feed}_key", columns=key, never_null=others)]
    else:
        tests = [
            _test("unique_together", f"{feed}_key", columns=key),
            _test("never_null", f"{feed}_required", columns=never_null),
        ]
    if coded:
        tests.append(_test("only_codes", f"{feed}_codes", code_sets=coded))
    references = {str(c.landed_name): _refers(contract, c, feeds) for c in landed if c.references}
    words = {**_described(contract), "school_year": ORIGIN_WORDS["school_year"]}
    columns = [
        {"name": name, "description": text}
        | ({"data_tests": [references[name]]} if name in references else {})
        for name, text in words.items()
    ]
    return {
        "name": f"stg_{feed}",
        "description": _grain(contract),
        **_parts(feed),
        "data_tests": tests,
        "columns": columns,
    }


def _refers(contract: Contract, column: Column, feeds: Mapping[str, Contract]) -> dict[str, Any]:
    """The test that the other feed holds what the column names, in the same year and paper.

    What else of the other feed's key this feed carries must fit with it.
    """
    feed, _, target = str(column.references).partition(".")
    also = [key for key in feeds[feed].landed_key if key != target and key in columns_of(contract)]
    given = {
        "columns": [str(column.landed_name), *also],
        "to": f"ref('stg_{feed}')",
        "to_columns": [target, *also],
    }
    test = _test("refers_to", f"{contract.feed}_{column.landed_name}_known", **given)
    if (contract.feed, column.name) not in RELIED_ON:
        test["refers_to"]["config"] = {"severity": "warn"}
    return test


def _test(kind: str, name: str, **arguments: Any) -> dict[str, Any]:
    return {kind: {"name": name, "arguments": arguments}}


def _grain(contract: Contract) -> str:
    return f"{contract.title} · {contract.description} Key: {', '.join(contract.landed_key)}."


def _described(contract: Contract) -> dict[str, str]:
    """Landed name → Chinese header · meaning, of the feed's own columns."""
    return {
        c.landed_name: f"{c.header} · {PSEUDONYM if c.type == 'student_no' else c.description}"
        for c in contract.columns
        if c.landed_name
    }


def _code_set(column: Column) -> str | None:
    """The code set of a column that is landed as a code, not as a boolean."""
    return None if column.type == "flag" else column.code_set


def _codes(feeds: Mapping[str, Contract]) -> str:
    """Macros that know the code sets that the feeds use; grades are numbers, labels Chinese."""
    used = {_code_set(column) for contract in feeds.values() for column in contract.columns}
    sets = [
        f"        '{name}': {json.dumps([int(c) if c.isdigit() else c for c in values])},"
        for name, values in codes().items()
        if name in used
    ]
    subjects = {code: words[0] for code, words in codes()["subject"].items()}
    return "\n".join(
        [
            f"{{#- {WRITTEN.format('codes.yml')} -#}}",
            "{#- The codes of a code set. -#}",
            "{% macro codes(name) -%}",
            "    {{ return({",
            *sets,
            "    }[name]) }}",
            "{%- endmacro %}\n",
            "{#- Code of a subject -> its Chinese name, in the order of the curriculum. -#}",
            "{% macro subject_names() -%}",
            f"    {{{{ return({json.dumps(subjects, ensure_ascii=False)}) }}}}",
            "{%- endmacro %}\n",
        ]
    )


def _yaml(content: dict[str, Any]) -> str:
    text = yaml.dump(content, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=100)
    return f"# {WRITTEN.format('the contracts')}\nversion: 2\n\n{text}"


if __name__ == "__main__":
    for path in write():
        state = "written" if path.exists() else "removed"
        print(f"{state}: {path.relative_to(DBT_PROJECT)}")
