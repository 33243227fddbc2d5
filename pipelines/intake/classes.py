"""Classes and numbers of items as people write them."""

import re
from collections.abc import Callable
from functools import cache

from pipelines.feeds import codes

HAN_DIGITS = "一二三四五六七八九"


def number_of(text: str) -> int | None:
    """A whole number up to 99 in Arabic or Chinese digits: 3, 三, 十二."""
    if re.fullmatch("[0-9]{1,2}", text):
        return int(text)
    match = re.fullmatch(f"([{HAN_DIGITS}]?)(十?)([{HAN_DIGITS}]?)", text)
    if not match or not text:
        return None
    tens, ten, ones = match.groups()
    if tens and ones and not ten:
        return None
    ones = ones or ("" if ten else tens)
    value = (HAN_DIGITS.index(tens) + 1 if tens and ten else 1) * 10 if ten else 0
    return value + (HAN_DIGITS.index(ones) + 1 if ones else 0)


CLASS = re.compile(r"\(?([0-9]{1,2}|[一二三四五六七八九十]{1,3})\)?班?")
DOTTED_CLASS = re.compile(r"([0-9]{1,2})[.-]([0-9]{1,2})班?")
LONG_CLASS = re.compile(r"([1-9]|1[0-2])(0[1-9]|[1-9][0-9])班?")


@cache
def _grades() -> tuple[dict[str, int], re.Pattern[str]]:
    """Words of grades, and the pattern of a class that is written with one."""
    words = {word: int(code) for code, own in codes()["grade"].items() for word in own}
    longest_first = sorted(words, key=len, reverse=True)
    return words, re.compile(f"({'|'.join(map(re.escape, longest_first))})(.+)")


def read_class(text: str) -> tuple[str, int | None]:
    """A class as it is landed, and the grade that is written with it.

    3, 3班, (3)班, 三班 and 03 are 3; 七年级(3)班, 初一3班, 7.3 and 7-3 are 3 of grade 7; 703 may be
    that too, or a class of this name. Whatever else is left as it is.
    """
    plain = "".join(text.split())
    grades, with_grade = _grades()
    match = with_grade.fullmatch(plain)
    if match and (own := CLASS.fullmatch(match[2])):
        number = number_of(own[1])
        if number:
            return str(number), grades[match[1]]
    match = DOTTED_CLASS.fullmatch(plain)
    if match and 1 <= int(match[1]) <= 12 and int(match[2]):
        return str(int(match[2])), int(match[1])
    match = CLASS.fullmatch(plain)
    if match and (number := number_of(match[1])):
        return str(number), None
    return plain, None


def long_class(text: str) -> tuple[int, str] | None:
    """Grade and class that a class such as 703 may stand for."""
    match = LONG_CLASS.fullmatch("".join(text.split()))
    return (int(match[1]), str(int(match[2]))) if match else None


def read_item(pattern: str) -> Callable[[str], str]:
    """What makes the number of an item out of 第1题, T1, 1 or 21（2）."""
    compiled = re.compile(pattern)

    def read(text: str) -> str:
        plain = "".join(text.split()).upper()
        match = compiled.fullmatch(plain)
        return match[1] if match else plain

    return read
