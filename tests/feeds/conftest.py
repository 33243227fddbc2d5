"""A tiny landed city: two schools, their students in a workbook and a text file, one wave."""

import shutil
from pathlib import Path

import pytest
import xlsxwriter

from pipelines.intake import ingest
from pipelines.settings import Settings

YEAR = "2025-2026"
WAVE = "2026-06-annual"
NUMBERS = [
    "G370403201203151235", "G370403201204071245", "G370403201206110025", "G370403201207010018"
]  # fmt: skip
FILES = {
    "districts/d.csv": "区划代码,区市名称,类型\n370403,薛城区,县\n",
    "schools/s.csv": (
        "学校标识码,学校名称,区划代码,镇街,办学类型,城乡类型,办学性质\n"
        "3137000001,示范中学,薛城区,临城,初中,城区,公办\n"
        "3137000002,第二中学,薛城区,沙沟,初中,农村,公办\n"
    ),
    "staff/t.csv": (
        "教职工号,姓名,学校标识码,区划代码,层级,岗位,任教学科,学历,专业类别,是否专职,任职日期\n"
        "T0101,李雷,示范中学,薛城区,校,校长,数学,本科,理工,是,2019-08-25\n"
        "T0231,韩梅,示范中学,薛城区,校,教师,数学,本科,理工,是,2019-08-25\n"
    ),
    "students/b.csv": (
        "学籍号,姓名,学校标识码,年级,班级,性别\n"
        f"{NUMBERS[3]},赵六,3137000002,七年级,1,女\n"
    ),
    "monitoring_waves/w.csv": (
        "监测批次,监测名称,组织层级,监测类型,监测日期,年级,学科,满分\n"
        f"{WAVE},学业质量监测,市,学业质量监测,2026-06-20,七年级,语文,120\n"
        f"{WAVE},学业质量监测,市,学业质量监测,2026-06-20,七年级,数学,120\n"
        f"{WAVE},学业质量监测,市,学业质量监测,2026-06-20,八年级,物理,100\n"
    ),
    "item_map/i.csv": (
        "监测批次,年级,学科,题号,满分,核心素养,内容领域\n"
        f"{WAVE},七年级,数学,10,4,运算能力,数与代数\n"
        f"{WAVE},七年级,数学,2,4,运算能力,数与代数\n"
        f"{WAVE},七年级,数学,21(2),6,推理能力,图形与几何\n"
    ),
}  # fmt: skip
ROLL = [
    [NUMBERS[2], "王五", "示范中学", "七年级", "10", "男", "2012-06-11"],
    [NUMBERS[0], "张三", "示范中学", "七年级", "2", "女", "2012-03-15"],
    [NUMBERS[1], "李四", "示范中学", "七年级", "2", "男", "2012-04-07"],
]


def over(folder: Path) -> Settings:
    """Settings whose every place lies in one folder."""
    return Settings.load(
        raw=folder / "raw",
        home=folder / "home",
        pseudonym_key_file=folder / "key" / "pseudonym.key",
    )


@pytest.fixture
def changing_city(city: Settings, tmp_path: Path) -> Settings:
    """A copy of the city, for a test that changes it."""
    return over(shutil.copytree(city.raw.parent, tmp_path / "city"))


@pytest.fixture(scope="session")
def city(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings over the city, which has been taken in without an error."""
    settings = over(tmp_path_factory.mktemp("city"))
    for name, text in FILES.items():
        feed, _, rest = name.partition("/")
        path = settings.raw / feed / YEAR / rest
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    with xlsxwriter.Workbook(settings.raw / "students" / YEAR / "示范中学.xlsx") as book:
        sheet = book.add_worksheet("七年级")
        sheet.write(0, 0, "示范中学学生名册")
        head = ["学籍号", "姓名", "学校", "年级", "班级", "性别", "出生日期"]
        for row, cells in enumerate([head, *ROLL], start=1):
            sheet.write_row(row, 0, cells)
    assert not [p for r in ingest(settings) for p in r.problems if p.severity == "error"]
    return settings
