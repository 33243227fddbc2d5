"""A tiny city as handed in, and the settings over it."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pytest

from pipelines.intake import FeedReport, ingest
from pipelines.settings import Settings

YEAR = "2023-2024"
NUMBERS = ["G370499201001011237", "G370499201001021232", "S03", "S04"]
FILES = {
    "districts/d.csv": "区划代码,区市名称,类型\n370402,市中区,县\n",
    "schools/s.csv": (
        "学校标识码,学校名称,区划代码,办学类型,城乡类型,办学性质\n"
        "3137000001,第一小学,市中区,小学,城区,公办\n"
        "3137000002,第二小学,370402,小学,农村,公办\n"
    ),
    "staff/t.csv": (
        "教职工号,姓名,学校标识码,区划代码,层级,岗位,学历,专业类别,是否专职,任职日期\n"
        "T1,李雷,第一小学,市中区,校,教师,本科,理工,是,2020/9/1\n"
    ),
    "students/a.csv": (
        "学籍号,姓名,学校标识码,年级,班级,性别\n"
        f"{NUMBERS[0]},韩梅梅,3137000001,五年级,1,女\n"
        f"{NUMBERS[1]},李明,第一小学,5,1,男\n"
    ),
    "students/b.csv": (
        "学籍号,学校,年级,班,性别\n"
        f"{NUMBERS[2]},第二小学,五年级,1,女\n"
        f"{NUMBERS[3]},第二小学,五年级,1,\n"
    ),
    "monitoring_waves/w.csv": (
        "监测批次,组织层级,监测类型,监测日期,年级,学科,满分\n"
        "W24,市,学业质量监测,2024-06-20,五年级,语文,100\n"
        "W24,市,学业质量监测,2024-06-20,五年级,数学,120\n"
    ),
    "monitoring_results/a.csv": (
        "监测批次,学籍号,姓名,学校,年级,班级,语文,数学,总分\n"
        f"W24,{NUMBERS[0]},韩梅梅,第一小学,5,1,88.5,110,198.5\n"
        f"W24,{NUMBERS[1]},李明,第一小学,5,1,缺考,60,60\n"
    ),
    "monitoring_results/b.csv": (
        "监测批次,学籍号,学校标识码,年级,班级,学科,成绩,状态\n"
        f"W24,{NUMBERS[2]},3137000002,5,1,语文,70,\n"
        f"W24,{NUMBERS[2]},3137000002,5,1,数学,,缓考\n"
    ),
}


@dataclass
class Handed:
    """The raw folder and home of one test."""

    settings: Settings
    reports: dict[str, FeedReport] = field(default_factory=dict)

    def write(self, name: str, text: str, year: str = YEAR) -> Path:
        """`<feed>/<file>` of a school year; other names are taken as they are."""
        feed, _, rest = name.partition("/")
        path = self.settings.raw / (f"{feed}/{year}/{rest}" if rest else name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def add(self, name: str, *lines: str) -> None:
        """The file of `FILES` with more lines."""
        self.write(name, FILES[name] + "".join(line + "\n" for line in lines))

    def ingest(self) -> dict[str, FeedReport]:
        self.reports = {report.feed: report for report in ingest(self.settings)}
        return self.reports

    def found(self, feed: str) -> set[tuple[str, str, str, str]]:
        """Rule, rows, what was found and what was expected, of a feed's problems."""
        return {
            (p.rule, f"{p.row_first}-{p.row_last}", p.found, p.expected)
            for p in self.reports[feed].problems
        }

    def landed(self, query: str, feed: str = "monitoring_results") -> list[tuple[object, ...]]:
        """Rows of a query on `landed`: every landed file of a feed, standing or not."""
        with duckdb.connect() as con:
            con.execute(
                f"create view landed as from "
                f"read_parquet('{self.settings.landing}/{feed}/*/*.parquet', union_by_name = true)"
            )
            return con.execute(query).fetchall()


def city_in(folder: Path) -> Handed:
    """A city without files, all of it in one folder."""
    return Handed(
        Settings.load(
            raw=folder / "raw",
            home=folder / "home",
            pseudonym_key_file=folder / "key" / "pseudonym.key",
        )
    )


def filled(folder: Path, but: str = "nothing") -> Handed:
    """The tiny city in a folder, without the files of one feed."""
    made = city_in(folder)
    for name, text in FILES.items():
        if not name.startswith(but):
            made.write(name, text)
    return made


def copy_of(made: Handed, folder: Path) -> Handed:
    """Another city of the same files, which have been ingested there too."""
    shutil.copytree(made.settings.home.parent, folder, dirs_exist_ok=True)
    copy = city_in(folder)
    copy.reports = dict(made.reports)
    return copy


@pytest.fixture
def handed(tmp_path: Path) -> Handed:
    """A sound tiny city, not yet ingested."""
    return filled(tmp_path)


@pytest.fixture(scope="session")
def settled_once(tmp_path_factory: pytest.TempPathFactory) -> Handed:
    """Of this one the settled cities are copies."""
    made = filled(tmp_path_factory.mktemp("settled"))
    made.ingest()
    return made


@pytest.fixture
def settled(settled_once: Handed, tmp_path: Path) -> Handed:
    """The tiny city, ingested."""
    return copy_of(settled_once, tmp_path)


@pytest.fixture(scope="session")
def enrolled_once(tmp_path_factory: pytest.TempPathFactory) -> Handed:
    """Of this one the enrolled cities are copies."""
    made = filled(tmp_path_factory.mktemp("enrolled"), but="monitoring_results")
    made.ingest()
    return made


@pytest.fixture
def enrolled(enrolled_once: Handed, tmp_path: Path) -> Handed:
    """The tiny city, ingested but for its results."""
    made = copy_of(enrolled_once, tmp_path)
    for name in FILES:
        if name.startswith("monitoring_results"):
            made.add(name)
    return made
