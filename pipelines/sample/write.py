"""Write the made-up city: files year by year, truth beside them."""

import json
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from pipelines.sample.city import DISTRICTS, USUAL, Differences, make_schools, open_in
from pipelines.sample.files import (
    Plain,
    Writer,
    as_table,
    coded,
    column,
    frame_table,
    texts,
    word,
)
from pipelines.sample.items import ITEMISED, item_points, make_items
from pipelines.sample.lessons import (
    INCLASS,
    INCLASS_SD,
    attend_training,
    observe_lessons,
    sum_checks,
)
from pipelines.sample.papers import (
    OWN_PASS,
    STATUSES,
    Paper,
    Sitting,
    levels_of,
    locale_effects,
    make_papers,
    paper_table,
    parameters,
    school_effects,
    sit,
    sum_cells,
    value_added,
    wave_id,
)
from pipelines.sample.people import EPOCH, Students, make_staff, names, renew_staff
from pipelines.sample.progress import expected_effects, scores_of
from pipelines.sample.records import (
    AREA_COLUMNS,
    CITY,
    compare_outside,
    count_resources,
    find_in_supervision,
    make_areas,
    register_programmes,
    visit_schools,
)

LAST_YEAR = 2025
MAX_YEARS = 8
MAX_BOOKS = 24
"""Schools that hand in workbooks: one in twelve, but no more than so many."""

SCHOOL_COLUMNS = [
    "school_code", "school_name", "district_code", "town", "stage", "locale", "ownership",
    "community_code", "opened_on", "closed_on",
]  # fmt: skip
STAFF_COLUMNS = [
    "level", "role", "subject", "degree", "degree_field", "full_time", "key_teacher",
    "started_on", "left_on",
]  # fmt: skip
HALVES = [f"{i / 2:g}" for i in range(2 * 150 * 6 + 1)]
"""Text of every score and total, in half points."""


@dataclass(frozen=True)
class SampleReport:
    """What was written."""

    out: Path
    truth: Path
    years: list[str]
    schools: int
    """Schools open in the newest year."""
    students: int
    """Students on the newest year's roll."""
    staff: int
    """Staff of the newest year."""
    results: int
    """Scores and statuses, one a student and paper, of all years."""
    files: int
    seconds: float
    messes: int = 0
    """Messes that were put in, each counted as often as it was; none in a clean city."""


def write_sample(
    out: Path,
    *,
    students: int = 15000,
    years: int = 4,
    seed: int = 2024,
    truth: Path | None = None,
    differences: Differences = USUAL,
) -> SampleReport:
    """Write a city of so many students into `out`, as `<feed>/<school year>/<file>`.

    The truth goes to `truth`, or to `<out>.truth` beside `out`. The same arguments give the same
    bytes. `differences` says how far schools differ; with `ALIKE` they do not.

    Raises:
        ValueError: a number out of range, `out` holds files, or `truth` would lie below it.
    """
    return write_city(Plain(Path(out)), Path(out), students, years, seed, truth, differences)


def write_city(
    writer: Writer,
    out: Path,
    students: int,
    years: int,
    seed: int,
    truth: Path | None,
    differences: Differences = USUAL,
) -> SampleReport:
    """Make the city and hand its files to `writer`; arguments and errors as `write_sample`."""
    began = time.perf_counter()
    if students < 1:
        raise ValueError("a city has at least one student")
    if not 1 <= years <= MAX_YEARS:
        raise ValueError(f"years must be from 1 to {MAX_YEARS}")
    truth = Path(truth) if truth else out.resolve().with_name(out.resolve().name + ".truth")
    if truth.resolve().is_relative_to(out.resolve()):
        raise ValueError(f"the truth must not lie below {out}")
    if out.exists() and (
        not out.is_dir() or any(p.is_file() and not p.name.startswith(".") for p in out.rglob("*"))
    ):
        raise ValueError(f"{out} holds files already")
    truth.mkdir(parents=True, exist_ok=True)
    city = _City(writer, truth, students, years, seed, differences)
    writer.know(city.schools, DISTRICTS)
    for year in range(LAST_YEAR - years + 1, LAST_YEAR + 1):
        city.write_year(year)
    city.write_truth()
    writer.finish(truth)
    return SampleReport(
        out=out,
        truth=truth,
        years=[_name(y) for y in range(LAST_YEAR - years + 1, LAST_YEAR + 1)],
        schools=int(open_in(city.schools, LAST_YEAR).sum()),
        students=len(city.panel.roll),
        staff=city.staff_count,
        results=city.results,
        files=writer.files,
        seconds=time.perf_counter() - began,
        messes=writer.messes,
    )


def _name(year: int) -> str:
    return f"{year}-{year + 1}"


def _of(items: pd.DataFrame, grade: int, subject: str) -> pd.Series:
    return (items["grade"] == str(grade)) & (items["subject"] == subject)


def list_staff(staff: pd.DataFrame, schools: pd.DataFrame, year: int) -> pd.DataFrame:
    """The staff of a year as registers name it, of the schools that are open and of offices."""
    school = staff["school"].to_numpy()
    codes = np.append(schools["school_code"].to_numpy(), "")
    serial = (staff["serial"] + 1).astype(int)
    frame = pd.DataFrame(
        {
            "staff_code": "T" + serial.astype(str).str.zfill(7),
            "name": names("虚师", serial.to_numpy()),
            "school_code": codes[school],
            "district_code": DISTRICTS["district_code"].to_numpy()[staff["district"]],
        }
    )
    frame[STAFF_COLUMNS] = staff[STAFF_COLUMNS]
    return frame[(school < 0) | open_in(schools, year)[school]]


class _City:
    """The state that goes from year to year."""

    def __init__(
        self,
        writer: Writer,
        truth: Path,
        students: int,
        years: int,
        seed: int,
        differences: Differences,
    ) -> None:
        first = LAST_YEAR - years + 1
        self.writer, self.truth, self.seed, self.first = writer, truth, seed, first
        self.arguments = {"students": students, "years": years, "seed": seed}
        self.differences = differences
        self.schools = make_schools(students, first, years, seed, differences)
        self.added = value_added(len(self.schools), seed, differences)
        self.sat: list[pd.DataFrame] = []
        self.panel = Students.start(self.schools, students, first, years, seed)
        self.staff = make_staff(self.schools, students, seed)
        self.areas = make_areas(int(open_in(self.schools, LAST_YEAR).sum()), seed)
        self.results = self.staff_count = 0
        self.rows: dict[tuple[str, str], int] = {}
        self.facts: dict[str, list[pd.DataFrame]] = {}
        # How each school hands in.
        rng = np.random.default_rng([seed, 7])
        n = len(self.schools)
        books = min(MAX_BOOKS, n // 12)
        self.book = np.isin(np.arange(n), rng.choice(n, books, replace=False))
        self.chinese = rng.random(n) < 0.7
        self.bom = rng.random(n) < 0.4
        self.long = (rng.random(n) < 0.2) & ~self.book
        self.total = rng.random(n) < 0.5

    def write_year(self, year: int) -> None:
        if year > self.first:
            self.panel.advance(year)
        staff = renew_staff(self.staff, year, self.seed, year == self.first)
        self.staff = staff
        effects = school_effects(self.schools, year, self.seed, self.differences)
        papers = make_papers(year, self.seed)
        levels = levels_of(effects, self.added)
        sittings, cells = sit(self.panel, papers, levels, year, self.seed)
        self._write_city_files(year, papers)
        staff_table = self._write_staff(year)
        self._write_lessons(year, staff_table)
        self._write_records(year, staff_table, papers)
        self._write_students(year)
        for style in (True, False):
            self._write_results(year, sittings, style)
        results = sum(s.status.size for s in sittings)
        self._tell("monitoring_results", year, results)
        self.results += results
        self._write_items(year, papers, sittings)
        self._keep_facts(year, effects, papers, cells)
        self._keep_progress(year, sittings)

    def _tell(self, feed: str, year: int, rows: int) -> None:
        """Keep count of the rows that a feed will have landed of a year."""
        self.rows[feed, _name(year)] = self.rows.get((feed, _name(year)), 0) + rows

    def _csv(self, feed: str, year: int, name: str, table: pa.Table, bom: bool = True) -> None:
        self.writer.csv(feed, _name(year), f"{name}.csv", table, bom)

    def _frame(self, feed: str, year: int, name: str, frame: pd.DataFrame) -> None:
        self._csv(feed, year, name, frame_table(feed, frame, True))
        self._tell(feed, year, len(frame))

    def _frames(self, feed: str, year: int, frame: pd.DataFrame) -> None:
        """A file a district; the column `district_code` itself is only for that."""
        for code, part in frame.groupby("district_code"):
            self._frame(feed, year, str(code), part.drop(columns="district_code"))

    def _write_city_files(self, year: int, papers: list[Paper]) -> None:
        self._frame("districts", year, "districts", DISTRICTS.drop(columns="share"))
        # A school that closed in the summer is named once more, with the day.
        listed = self.schools[(self.schools["first"] <= year) & (self.schools["last"] + 1 >= year)]
        listed = listed.sort_values(["district_code", "school_code"])
        register = listed[SCHOOL_COLUMNS].copy()
        register["closed_on"] = register["closed_on"].where(listed["last"] < year, "")
        self._frame("schools", year, "schools", register)
        wave = pd.DataFrame(
            {
                "wave_id": wave_id(year),
                "wave_name": f"{year + 1}年全市学业质量监测",
                "level": "city",
                "wave_kind": "annual_monitoring",
                "held_on": f"{year + 1}-06-18",
                "grade": [str(p.grade) for p in papers],
                "subject": [p.subject for p in papers],
                "full_mark": [p.full_mark for p in papers],
                # Given for primary papers and where it is not the usual share of the full mark.
                "pass_mark": [
                    f"{p.pass_mark:g}"
                    if p.stage == "primary" or (p.grade, p.subject) in OWN_PASS
                    else ""
                    for p in papers
                ],
            }
        )
        self._frame("monitoring_waves", year, wave_id(year), wave)

    def _write_staff(self, year: int) -> pd.DataFrame:
        frame = list_staff(self.staff, self.schools, year)
        self.staff_count = len(frame)
        for i, (code, rows) in enumerate(frame.groupby("district_code")):
            table = frame_table("staff", rows, chinese=i % 4 != 3)
            self._csv("staff", year, str(code), table, bom=i % 2 == 0)
        self._tell("staff", year, self.staff_count)
        return frame

    def _write_lessons(self, year: int, staff: pd.DataFrame) -> None:
        """Observed lessons and attended training, a file a district."""
        lessons = observe_lessons(staff, self.schools, self.panel.roll, year, self.seed)
        self._fact("inclass_checks", year, sum_checks(lessons))
        self._frames("lesson_observations", year, lessons.drop(columns="chance"))
        self._frames("training_logs", year, attend_training(staff, year, self.seed))

    def _write_records(self, year: int, staff: pd.DataFrame, papers: list[Paper]) -> None:
        """What offices hand in, most of it a file a district."""
        there = self.schools[open_in(self.schools, year)]
        roll, codes = self.panel.roll, self.schools["school_code"].to_numpy()
        sizes = pd.Series(codes[roll["school"]]).value_counts()
        self._frame("residential_areas", year, "communities", self.areas[AREA_COLUMNS])
        entries = register_programmes(there, staff, self.areas, sizes, year, self.first, self.seed)
        self._frames("programme_register", year, entries)
        kept = ["kind", "holder_type"]
        counts = entries.groupby(kept).agg(
            entries=("kind", "size"), holders=("holder_code", "nunique")
        )
        self._fact("programme_counts", year, counts.reset_index())
        self._frames("official_visits", year, visit_schools(staff, there, year, self.seed))
        self._frame(
            "supervision_findings", year, "findings", find_in_supervision(there, year, self.seed)
        )
        resources = count_resources(there, roll, codes, self.seed, year)
        self._frames("school_resources", year, resources)
        outside = compare_outside(papers, year, self.seed)
        self._frame("external_benchmarks", year, "benchmarks", outside)

    def _write_items(self, year: int, papers: list[Paper], sittings: list[Sitting]) -> None:
        """The items of a few papers, and a file a school and paper of the points on them."""
        items = make_items(papers, year, self.seed)
        told = items.drop(columns=["choice", "ease"]).assign(wave_id=wave_id(year))
        self._frame("item_map", year, wave_id(year), told)
        self._fact("items", year, items)
        for sitting in sittings:
            for subject in sitting.subjects:
                if (sitting.grade, subject) not in ITEMISED:
                    continue
                rows, halves = item_points(
                    sitting, subject, items[_of(items, sitting.grade, subject)], self.seed
                )
                numbers = items.loc[_of(items, sitting.grade, subject), "item_no"].tolist()
                self._tell("item_results", year, halves.size)
                school = self.panel.roll["school"].to_numpy()[sitting.rows[rows]]
                for chinese in (True, False):
                    mine = np.flatnonzero(self.chinese[school] == chinese)
                    if not len(mine):
                        continue
                    student = self.panel.roll["student"].to_numpy()[sitting.rows[rows[mine]]]
                    zero = np.zeros(len(mine), dtype=int)
                    shown = word("subject", subject) if chinese else subject
                    columns = {
                        "wave_id": texts([wave_id(year)], zero),
                        "student_no": pa.array(self.panel.numbers[student]).cast(pa.string()),
                        "subject": texts([shown], zero),
                    }
                    for i, number in enumerate(numbers):
                        header = f"第{number}题" if chinese and "(" not in number else number
                        header = header if chinese else f"T{number}"
                        columns[header] = texts(HALVES, halves[mine, i])
                    table = as_table("item_results", columns, chinese)
                    for at, part in _by_school(table, school[mine]):
                        name = f"{self.schools['school_code'].iloc[at]}-g{sitting.grade}-{subject}"
                        self._csv("item_results", year, name, part, bool(self.bom[at]))

    def _write_students(self, year: int) -> None:
        roll = self.panel.roll
        school = roll["school"].to_numpy()
        flags = self.panel.flags()
        for chinese in (True, False):
            rows = np.flatnonzero(self.chinese[school] == chinese)
            if not len(rows):
                continue
            of_style = self._who(rows, chinese)
            person = self.panel.register.iloc[roll["student"].to_numpy()[rows]]
            columns = of_style | {
                "gender": coded("gender", np.where(person["male"], "male", "female"), chinese),
                "birth_date": column(EPOCH + person["day"].to_numpy()),
                **{str(n): coded("yes_no", flags[n].iloc[rows], chinese) for n in flags},
            }
            table = as_table("students", columns, chinese)
            for at, part in _by_school(table, school[rows]):
                code = self.schools["school_code"].iloc[at]
                if self.book[at]:
                    day = part.column_names[list(columns).index("birth_date")]
                    self.writer.book(
                        "students", _name(year), f"{code}.xlsx", {"学生名册": part}, [], [day]
                    )
                else:
                    self._csv("students", year, code, part, bool(self.bom[at]))
        self._tell("students", year, len(roll))

    def _who(self, rows: np.ndarray, chinese: bool) -> dict[str, pa.Array]:
        """Number, name, school, grade and class of rows of the roll."""
        roll = self.panel.roll
        student = roll["student"].to_numpy()[rows]
        numbers = pa.array(self.panel.numbers[student]).cast(pa.string())
        school = roll["school"].to_numpy()[rows]
        grades = [word("grade", str(g)) if chinese else str(g) for g in range(1, 13)]
        return {
            "student_no": numbers,
            "name": pa.array(names("虚生", student)),
            "school_code": texts(self.schools["school_code"].tolist(), school),
            "grade": texts(grades, roll["grade"].to_numpy()[rows] - 1),
            "class_no": column(roll["class_no"].to_numpy()[rows]),
        }

    def _write_results(self, year: int, sittings: list[Sitting], chinese: bool) -> None:
        """Wide schools hand in a file a grade (a workbook: a sheet a grade), long ones one file."""
        books: dict[int, dict[str, pa.Table]] = {}
        longs: list[tuple[np.ndarray, pa.Table]] = []
        shown = [word("score_status", s) if chinese else s for s in STATUSES]
        scores: list[str] = []
        for sitting in sittings:
            wide, long = self._grade_tables(sitting, chinese, shown)
            scores += [word("subject", s) if chinese else s for s in sitting.subjects]
            if long:
                longs.append(long)
            if not wide:
                continue
            for at, part in _by_school(wide[1], wide[0]):
                if not self.total[at]:
                    part = part.drop_columns(["总分"])
                if self.book[at]:
                    name = word("grade", str(sitting.grade))
                    books.setdefault(at, {})[name] = part
                else:
                    code = self.schools["school_code"].iloc[at]
                    name = f"{code}-g{sitting.grade}"
                    self._csv("monitoring_results", year, name, part, bool(self.bom[at]))
        for at, sheets in books.items():
            code = self.schools["school_code"].iloc[at]
            self.writer.book(
                "monitoring_results", _name(year), f"{code}.xlsx", sheets, [*scores, "总分"], []
            )
        if longs:
            school = np.concatenate([where for where, _ in longs])
            order = np.argsort(school, kind="stable")
            table = pa.concat_tables([part for _, part in longs]).take(pa.array(order))
            for at, part in _by_school(table, school[order]):
                code = self.schools["school_code"].iloc[at]
                self._csv("monitoring_results", year, code, part, bool(self.bom[at]))

    def _grade_tables(
        self, sitting: Sitting, chinese: bool, shown: list[str]
    ) -> tuple[tuple[np.ndarray, pa.Table] | None, tuple[np.ndarray, pa.Table] | None]:
        """The wide and the long table of one grade, each with the school of its rows."""
        school = self.panel.roll["school"].to_numpy()[sitting.rows]
        style = self.chinese[school] == chinese
        tables: list[tuple[np.ndarray, pa.Table] | None] = []
        for is_long in (False, True):
            mine = np.flatnonzero(style & (self.long[school] == is_long))
            if not len(mine):
                tables.append(None)
                continue
            halves, status = sitting.halves[mine].astype(int), sitting.status[mine].astype(int)
            who = self._who(sitting.rows[mine], chinese)
            wave = texts([wave_id(sitting.year)], np.zeros(len(mine), dtype=int))
            if is_long:
                n, k = status.shape
                again = pa.array(np.repeat(np.arange(n), k))
                columns = {"wave_id": wave, **who}
                columns = {name: values.take(again) for name, values in columns.items()}
                subjects = [word("subject", s) if chinese else s for s in sitting.subjects]
                columns["subject"] = texts(subjects, np.tile(np.arange(k), n))
                flat = status.reshape(-1)
                score = np.where(flat == 0, halves.reshape(-1) + 1, 0)
                columns["score"] = texts(["", *HALVES], score)
                columns["status"] = texts(["", *shown[1:]], flat)
                school_of = np.repeat(school[mine], k)
            else:
                columns = {"wave_id": wave, **who}
                cell = np.where(status == 0, halves, len(HALVES) + status)
                for i, subject in enumerate(sitting.subjects):
                    header = word("subject", subject) if chinese else subject
                    columns[header] = texts([*HALVES, *shown], cell[:, i])
                none = (status != 0).all(axis=1)
                columns["总分"] = texts(["", *HALVES], np.where(none, 0, halves.sum(axis=1) + 1))
                school_of = school[mine]
            tables.append((school_of, as_table("monitoring_results", columns, chinese)))
        return tables[0], tables[1]

    def _keep_facts(
        self, year: int, effects: pd.DataFrame, papers: list[Paper], cells: pd.DataFrame
    ) -> None:
        name = _name(year)
        roll = self.panel.roll
        is_open = open_in(self.schools, year)
        counts = roll.groupby(["school", "grade"], as_index=False).size()
        codes = self.schools["school_code"].to_numpy()
        facts = {
            "school_effects": effects[is_open],
            "papers": paper_table(papers),
            "locale_effects": pd.DataFrame(
                locale_effects(year, self.differences).items(), columns=["locale", "effect"]
            ),
            "school_students": pd.DataFrame(
                {
                    "school_code": codes[counts["school"]],
                    "grade": counts["grade"],
                    "students": counts["size"],
                }
            ),
        }
        for what, frame in facts.items():
            self._fact(what, year, frame)
        self.facts.setdefault("cells", []).append(sum_cells(cells, self.schools, name, CITY))

    def _keep_progress(self, year: int, sittings: list[Sitting]) -> None:
        """What value added should find, beside what the schools add of their own."""
        now = scores_of(sittings, self.panel.roll)
        if self.sat:
            effects = expected_effects(now, pd.concat(self.sat))
            schools = effects.pop("school").astype(int)
            papers = zip(effects["grade"], effects["subject"], schools, strict=True)
            effects.insert(2, "school_code", self.schools["school_code"].to_numpy()[schools])
            effects["planted"] = [self.added[grade, subject][at] for grade, subject, at in papers]
            self._fact("value_added", year, effects)
        self.sat.append(now)

    def _fact(self, what: str, year: int, frame: pd.DataFrame) -> None:
        frame = frame.reset_index(drop=True)
        frame.insert(0, "school_year", _name(year))
        self.facts.setdefault(what, []).append(frame)

    def write_truth(self) -> None:
        """Write everything that was put in and is known."""
        rows = pd.Series(self.rows, name="rows").rename_axis(["feed", "school_year"])
        rows.to_csv(self.truth / "rows.csv", lineterminator="\n")
        for what, frames in self.facts.items():
            pd.concat(frames).to_csv(self.truth / f"{what}.csv", index=False, lineterminator="\n")
        columns = ["district_code", "district_effect"]
        districts = self.schools[columns].drop_duplicates().sort_values("district_code")
        districts.to_csv(self.truth / "district_effects.csv", index=False, lineterminator="\n")
        changes = self.schools[(self.schools["closed_on"] != "") | (self.schools["first"] > 0)]
        codes = np.append(self.schools["school_code"].to_numpy(), "")
        changes = changes.assign(merged_into=codes[changes["merged_into"]])
        columns = ["school_code", "opened_on", "closed_on", "merged_into"]
        changes[columns].to_csv(self.truth / "school_changes.csv", index=False, lineterminator="\n")
        inclass = {"inclass_share_of_a_usual_lesson": INCLASS, "inclass_sd_of_lessons": INCLASS_SD}
        text = json.dumps(
            {"arguments": self.arguments, "model": parameters(self.differences) | inclass},
            ensure_ascii=False,
            indent=2,
        )
        (self.truth / "truth.json").write_text(text + "\n", encoding="utf-8")


def _by_school(table: pa.Table, school: np.ndarray) -> list[tuple[int, pa.Table]]:
    """The slices of a table whose rows stand together by school."""
    cuts = np.flatnonzero(np.diff(school)) + 1
    ends = [0, *cuts.tolist(), len(school)]
    return [(int(school[a]), table.slice(a, b - a)) for a, b in pairwise(ends)]
