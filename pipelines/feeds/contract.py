"""Typed contracts, loaded from YAML and checked against each other when loaded."""

import unicodedata
from datetime import date
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipelines.settings import Settings

FOLDER = Path(__file__).parent

ColumnType = Literal[
    "text", "code", "grade", "integer", "number", "score", "date", "month", "flag",
    "student_no", "class", "item", "dropped",
]  # fmt: skip

SQL_TYPES: dict[str, str] = {
    "text": "varchar",
    "code": "varchar",
    "grade": "integer",
    "integer": "integer",
    "number": "decimal(18,3)",
    "score": "decimal(9,3)",
    "date": "date",
    "month": "varchar",
    "flag": "boolean",
    "student_no": "varchar",
    "class": "varchar",
    "item": "varchar",
}
"""How each type is landed; `dropped` columns are not."""

ORIGIN: dict[str, str] = {
    "school_year": "varchar",
    "source_file": "varchar",
    "source_sheet": "varchar",
    "source_row": "integer",
    "file_sha256": "varchar",
    "key_id": "varchar",
    "loaded_at": "timestamp",
}
"""What every landed row carries beside its own columns."""


PARTS_WITHIN = 0.01
"""By so much may a whole differ from the sum of its parts, or a total from that of its scores."""

FIRST_DAY, LAST_DAY = date(1850, 1, 1), date(2099, 12, 31)
"""A date in a file that lies outside is a slip of the pen."""


MONTH = r"(?:19|20)[0-9]{2}-(?:0[1-9]|1[0-2])"
"""A month as it is landed, of somebody who is on a roll."""


def quoted(text: str) -> str:
    """A text as an SQL literal, for the SQL that is made from contracts."""
    return "'" + text.replace("'", "''") + "'"


class ContractError(ValueError):
    """A contract contradicts itself or another one."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Column(_Strict):
    """One column of a feed."""

    name: str
    header: str = Field(description="Chinese header of the template.")
    aliases: list[str] = []
    type: ColumnType
    required: bool = False
    codes: str | None = Field(None, description="Name of the code set, for type `code`.")
    pattern: str | None = Field(None, description="Regular expression of the whole value.")
    format_hint: str | None = Field(None, description="The pattern in words, for who fills it in.")
    min: float | None = None
    max: float | None = None
    references: str | None = Field(None, description="`feed.column` in which the value must stand.")
    resolve_by: str | None = Field(None, description="Column there that may stand for the code.")
    usual: Literal["plan_kinds"] | None = Field(
        None, description="List of the usual values, another one being a query: what a plan counts."
    )
    example: str = Field("", description="A value as templates show it, where the city gives one.")
    description: str

    @property
    def landed_name(self) -> str | None:
        """Name in the landing zone; none where the column is dropped."""
        if self.type == "dropped":
            return None
        return "student_key" if self.type == "student_no" else self.name

    @property
    def code_set(self) -> str | None:
        """The code set whose words are read as codes, if any."""
        return {"grade": "grade", "flag": "yes_no"}.get(self.type, self.codes)


class Wide(_Strict):
    """A wide form: headers that are values of `names`, cells that are values of `values`."""

    names: str
    values: str
    pattern: str | None = Field(
        None, description="What such a header looks like, where no code set lists them all."
    )


class RowRule(_Strict):
    """What must hold between the columns of one row, where they are filled."""

    rule: Literal["dates_out_of_order", "more_than", "parts_and_whole", "mark_order"]
    columns: list[str] = Field(
        description="In order: earlier and later day; part and whole number; whole and its parts; "
        "marks from the lowest."
    )


class Contract(_Strict):
    """One feed: its columns, key and forms."""

    feed: str
    title: str
    description: str
    key: list[str]
    wide: Wide | None = None
    total: str | None = Field(None, description="Header of a row total that is checked only.")
    wave_elsewhere: bool = Field(
        False, description="Whether title, sheet or file may name the wave in place of a column."
    )
    checked_against: list[str] = Field(
        [], description="Feeds that rows are held against beyond the columns that refer to one."
    )
    rules: list[RowRule] = []
    columns: list[Column]

    @model_validator(mode="after")
    def _consistent(self) -> "Contract":
        names = [c.name for c in self.columns]
        for what in self.key:
            if what not in names and what != "school_year":
                raise ContractError(f"{self.feed}: key {what} is no column")
        if len(set(names)) != len(names):
            raise ContractError(f"{self.feed}: a column stands twice")
        for rule in self.rules:
            for what in rule.columns:
                if what not in names:
                    raise ContractError(f"{self.feed}: {rule.rule} names no column {what}")
        seen: dict[str, str] = {}
        for column in self.columns:
            for word in (column.name, column.header, *column.aliases):
                other = seen.setdefault(normalise(word), column.name)
                if other != column.name:
                    raise ContractError(f"{self.feed}: {word} means {other} and {column.name}")
            if column.type == "code" and column.codes not in codes():
                raise ContractError(f"{self.feed}.{column.name}: no code set {column.codes}")
        return self

    def column(self, name: str) -> Column:
        """The column of that canonical name; KeyError if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.feed} has no column {name}")

    @property
    def personal(self) -> bool:
        """Whether files of this feed hold names or numbers of persons."""
        return any(c.type in ("student_no", "dropped") for c in self.columns)

    @property
    def headers(self) -> dict[str, str]:
        """Normalised header, alias or canonical name → canonical name."""
        return {
            normalise(word): column.name
            for column in self.columns
            for word in (column.name, column.header, *column.aliases)
        }

    @property
    def landed(self) -> dict[str, str]:
        """Name → SQL type of every column of a landed file, in order."""
        own = {c.landed_name: SQL_TYPES[c.type] for c in self.columns if c.landed_name}
        return {**own, **ORIGIN}

    @property
    def landed_key(self) -> list[str]:
        """The key in the landing zone's names."""
        return ["student_key" if name == "student_no" else name for name in self.key]

    @property
    def depends_on(self) -> list[str]:
        """Feeds that this one refers to, itself left out, in order of appearance."""
        named = [c.references.split(".")[0] for c in self.columns if c.references]
        every = dict.fromkeys([*named, *self.checked_against])
        return [name for name in every if name != self.feed]


@lru_cache(maxsize=100_000)
def normalise(header: str) -> str:
    """A header as it is compared: no case, space, line break, full-width form or unit."""
    text = unicodedata.normalize("NFKC", header).casefold()
    text = "".join(text.split())
    if text.endswith(")") and "(" in text:
        text = text[: text.rindex("(")]
    return text


CODES = "codes.yml"
FIXED = {"grade", "yes_no", "score_status"}
"""Code sets that the platform's own rules speak of: a city may add words, but no codes."""


class Extension(_Strict):
    """What a city adds to a feed of the package."""

    extends: str
    aliases: dict[str, list[str]] = Field({}, description="Canonical name → more words for it.")
    columns: list[dict[str, Any]] = Field([], description="More columns, after those there are.")


def contract_files() -> list[Path]:
    """Every YAML file of contracts and code sets: the package's, then the city's.

    Raises:
        ContractError: the setting `contracts` names no folder.
    """
    own = Settings.load().contracts
    if own is not None and not own.is_dir():
        raise ContractError(f"setting contracts: no folder {own}")
    package = [FOLDER / CODES, *sorted((FOLDER / "contracts").glob("*.yml"))]
    return [*package, *(sorted(own.glob("*.yml")) if own else [])]


def _documents(of_codes: bool) -> list[tuple[Path, dict[str, Any]]]:
    """The parsed files of code sets, or of contracts, in the order of `contract_files`."""
    parsed = []
    for path in contract_files():
        if of_codes == (path.name == CODES):
            try:
                document = yaml.safe_load(path.read_text(encoding="utf-8"))
            except (yaml.YAMLError, UnicodeDecodeError) as error:
                raise ContractError(f"{path}: {error}") from error
            if not isinstance(document, dict):
                raise ContractError(f"{path}: expected names and what they stand for")
            parsed.append((path, document))
    return parsed


@cache
def codes() -> dict[str, dict[str, list[str]]]:
    """Code set → code → words that mean it, the template's word first.

    Raises:
        ContractError: a word means two codes, or a city's file adds a code to a fixed set.
    """
    loaded: dict[str, dict[str, list[str]]] = {}
    for path, document in _documents(of_codes=True):
        for name, values in document.items():
            if name in FIXED and name in loaded and set(values) - set(loaded[name]):
                raise ContractError(f"{path}: {name} takes more words, but no more codes")
            known = loaded.setdefault(name, {})
            for code, words in values.items():
                known[code] = [*known.get(code, []), *words]
    for name, sets in loaded.items():
        words = [normalise(w) for code, ws in sets.items() for w in {normalise(code), *ws}]
        if len(set(words)) != len(words):
            raise ContractError(f"{CODES}: {name}: a word means two codes")
    return loaded


def _extend(documents: dict[str, dict[str, Any]], extension: Extension) -> None:
    """Add a city's aliases and columns to the feed that they are for."""
    feed = extension.extends
    if feed not in documents:
        raise ContractError(f"extends {feed}, which is no feed")
    columns = {column["name"]: column for column in documents[feed]["columns"]}
    for name, words in extension.aliases.items():
        if name not in columns:
            raise ContractError(f"{feed} has no column {name}")
        columns[name]["aliases"] = [*columns[name].get("aliases", []), *words]
    documents[feed]["columns"] += extension.columns


def _read_contracts() -> dict[str, Contract]:
    """The package's feeds, the city's own, and what the city adds to either."""
    documents: dict[str, dict[str, Any]] = {}
    extensions: list[tuple[Path, dict[str, Any]]] = []
    places: dict[str, Path] = {}
    for path, document in _documents(of_codes=False):
        if "extends" in document:
            extensions.append((path, document))
            continue
        if path.stem != document.get("feed"):
            raise ContractError(f"{path} describes the feed {document.get('feed')}")
        if path.stem in documents:
            raise ContractError(f"{path}: there is a feed {path.stem}; extend it instead")
        documents[path.stem], places[path.stem] = document, path
    for path, document in extensions:
        try:
            extension = Extension.model_validate(document)
            _extend(documents, extension)
        except (ValidationError, ContractError) as error:
            raise ContractError(f"{path}: {_said(error)}") from error
        places[extension.extends] = path
    found: dict[str, Contract] = {}
    for feed, document in documents.items():
        try:
            found[feed] = Contract.model_validate(document)
        except ValidationError as error:
            raise ContractError(f"{places[feed]}: {_said(error)}") from error
    return found


def _said(error: ValidationError | ContractError) -> str:
    """The faults on one line, each with its place in the file."""
    if isinstance(error, ContractError):
        return str(error)
    return "; ".join(
        ": ".join(filter(None, [".".join(map(str, e["loc"])), e["msg"]])) for e in error.errors()
    )


@cache
def load_contracts() -> dict[str, Contract]:
    """All contracts by feed name, every feed after those that it refers to.

    Beside the package's own they hold what the city adds in the folder of the setting
    `contracts`: a file that names a new `feed`, one that `extends` a feed with aliases and
    columns, and `codes.yml` with more words and codes. Read once a process.

    Raises:
        ContractError: a file contradicts itself or another one; a reference leads nowhere or goes
            round in a circle.
        SettingsError: a setting is unknown or malformed.
    """
    found = _read_contracts()
    for stem, contract in found.items():
        for column in contract.columns:
            if column.references:
                feed, _, name = column.references.partition(".")
                if feed not in found:
                    raise ContractError(f"{stem}.{column.name} refers to no feed {feed}")
                found[feed].column(column.resolve_by or name)
    ordered: dict[str, Contract] = {}
    while len(ordered) < len(found):
        ready = [
            n for n, c in found.items() if n not in ordered and set(c.depends_on) <= set(ordered)
        ]
        if not ready:
            raise ContractError(
                f"feeds refer to each other in a circle: {set(found) - set(ordered)}"
            )
        ordered.update({name: found[name] for name in ready})
    return ordered
