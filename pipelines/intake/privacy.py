"""What a message may show of a cell: never what might be a person's name."""

import re
from functools import cache

from pipelines.feeds import codes, load_contracts
from pipelines.intake.problems import masked

EVERYDAY = (
    "病假、事假、请假、休学、退学、转学、转入、借读、未考、没考、弃考、零分、无、空、免修、缺席"
    "、缺、未到、待定、不详、差、甲、乙、丙、丁、合格、不合格、良好、优秀、及格、不及格、上午、"
    "下午、上旬、中旬、下旬、月初、月底、星期、第、级、班、年、月、日、号、分、节、人、次、岁、"
    "届、一、二、三、四、五、六、七、八、九、十、百、零、〇、两、学生、教师、老师、全部、同上、"
    "左右、以上、以下、不、未、已、没有、至、到、共"
)
"""Words that people write into a cell; none is a surname, so that no name is made of them."""
HEADERS = (
    "备注、等级、等第、序号、编号、考号、准考证号、考场、考点、座号、座位号、排名、名次、校次、班次、级次、总分、总评、平均分"
    "、民族、身份证号、身份证件号、联系电话、电话、手机、手机号、邮箱、家长、监护人、家庭住址、住址、地址、籍贯、政治面貌"
    "、职务、职称、出生、年龄、照片、户口、户口性质、关系、是否、类型、类别、时间、地点、名称、内容、意见、评语、评价、签名"
    "、成绩、分数、得分、折合、原始、赋分、主观、客观、卷、题、语数英、文综、理综、综合、实验、操作、口语、听力、作文、附加"
)
"""Words of headers that schools add."""
SPREADSHEET = {"REF", "VALUE", "DIV", "NAME", "NUM", "NULL", "Err", "错误"}
"""Of the words that a spreadsheet writes into a cell whose formula has no value: #REF!, Err:502."""
UNIT = re.compile(
    r".*(小学|中学|学校|学院|大学|幼儿园|教研室|中心|教育局|街道|社区|区|县|镇|乡|村|班|年级|学期|学年"
    r"|监测|考试|批次|成绩|名册|名录|表)"
)
"""Ends of the names of places and things."""
RUN = re.compile(
    r"[\u3400-\u9fff][\u3400-\u9fff·]*"
    # Letters beside a dash are part of a code, such as 2024-06-annual; so are two beside a digit.
    r"|(?<![-_.A-Za-z])(?!(?<=[0-9])[A-Za-z]{2}(?![A-Za-z])|[A-Za-z]{2}[0-9])"
    r"[A-Za-z][A-Za-z' ]*[A-Za-z](?![-_.A-Za-z])"
)


@cache
def _vocabulary() -> tuple[frozenset[str], int]:
    words = {w for values in codes().values() for ws in values.values() for w in ws}
    words |= {code for values in codes().values() for code in values}
    for contract in load_contracts().values():
        words |= {word for c in contract.columns for word in (c.name, c.header, *c.aliases)}
        words |= {contract.title, contract.total or ""}
    words |= {*EVERYDAY.split("、"), *HEADERS.split("、"), *SPREADSHEET}
    known = frozenset(word.casefold() for word in words if word)
    return known, max(map(len, known))


def is_known(word: str) -> bool:
    """Whether a word is one of codes, headers or everyday, so that it is nobody's name."""
    return word.casefold() in _vocabulary()[0]


def _is_plain(run: str) -> bool:
    """Whether a run of letters is made of known words, or names a place or a thing."""
    known, longest = _vocabulary()
    text = run.casefold()
    if text in known or UNIT.fullmatch(run):
        return True
    if run[0].isascii():
        return False
    reached = {0}
    for end in range(1, len(text) + 1):
        if any(end - n in reached and text[end - n : end] in known for n in range(1, longest + 1)):
            reached.add(end)
    return len(text) in reached


def discreet(text: str) -> str:
    """A text without student numbers and without words that might be a name.

    Known words (`缺考`, `病假`, headers, places) stay; of any other run of letters only its length
    is shown. What is hidden stands in the cell that the message names.
    """

    def hide(match: re.Match[str]) -> str:
        run = match[0]
        return run if _is_plain(run) else "□" * min(len(run), 6)

    return RUN.sub(hide, masked(text))
