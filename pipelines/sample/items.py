"""Items of a few papers, and the points that students get on each: they add up to the score."""

import numpy as np
import pandas as pd

from pipelines.sample.papers import Paper, Sitting

ITEMISED = [(4, "mathematics"), (9, "mathematics"), (9, "english")]
"""Grade and subject of the papers whose items are handed in."""

COMPETENCIES = {
    "mathematics": ["数感与运算能力", "几何直观", "推理意识", "模型意识", "数据观念", "应用意识"],
    "english": ["语言能力", "文化意识", "思维品质", "学习能力"],
}
DOMAINS = {
    "mathematics": ["数与代数", "图形与几何", "统计与概率", "综合与实践"],
    "english": ["人与自我", "人与社会", "人与自然"],
}
LEVELS = ["了解", "理解", "掌握", "运用"]

ITEM_COLUMNS = [
    "grade", "subject", "item_no", "full_mark", "competency", "content_domain", "cognitive_level",
    "choice", "ease",
]  # fmt: skip
EASE_SD = 0.8
"""Spread of how easy items are, in logits."""
OWN_SD = 0.5
"""Spread of a student's luck from item to item, in logits."""


def _marks(full: int) -> list[tuple[str, int, bool]]:
    """Number, full mark and whether it is a choice (all or nothing), of the items of a paper."""
    choices = 12 if full <= 100 else 14
    items = [(str(i + 1), 3, True) for i in range(choices)]
    left = full - 3 * choices
    number, opened = choices + 1, []
    while left >= 16:
        opened += [(f"{number}(1)", 4, False), (f"{number}(2)", 6, False)]
        left -= 10
        number += 1
    return [*items, *opened, (str(number), left, False)]


def make_items(papers: list[Paper], year: int, seed: int) -> pd.DataFrame:
    """The items of the year's itemised papers, with `ease` (planted, in logits)."""
    rng = np.random.default_rng([seed, 14, year])
    rows = []
    for paper in papers:
        if (paper.grade, paper.subject) not in ITEMISED:
            continue
        for i, (number, full, choice) in enumerate(_marks(paper.full_mark)):
            competency = COMPETENCIES[paper.subject]
            domain = DOMAINS[paper.subject]
            rows.append(
                (
                    str(paper.grade),
                    paper.subject,
                    number,
                    full,
                    competency[int(rng.integers(len(competency)))],
                    domain[i % len(domain)],
                    LEVELS[int(rng.integers(len(LEVELS)))],
                    choice,
                    float(rng.normal(0, EASE_SD)),
                )
            )
    return pd.DataFrame(rows, columns=ITEM_COLUMNS)


def item_points(
    sitting: Sitting, subject: str, items: pd.DataFrame, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the sitting that sat the paper, and their points in halves, a column an item.

    Each row adds up to the student's score. Primary papers give whole points only.
    """
    at = sitting.subjects.index(subject)
    rng = np.random.default_rng([seed, 15, sitting.year, sitting.grade, at])
    rows = np.flatnonzero(sitting.status[:, at] == 0)
    # Work in the smallest step that the paper gives out: a point, or half of one.
    unit = 2 if sitting.grade <= 6 else 1
    total = sitting.halves[rows, at].astype(int) // unit
    full = items["full_mark"].to_numpy() * 2 // unit
    choice = items["choice"].to_numpy(dtype=bool)
    share = np.clip(total / full.sum(), 0.01, 0.99)
    logit = np.log(share / (1 - share))[:, None] + items["ease"].to_numpy()
    chance = 1 / (1 + np.exp(-logit - rng.normal(0, OWN_SD, logit.shape)))
    won = rng.random(chance.shape) < chance
    points = np.where(choice, won * full, np.rint(chance * full)).astype(int)
    _balance(points, total, full, choice)
    return rows, points * unit


def _balance(points: np.ndarray, total: np.ndarray, full: np.ndarray, choice: np.ndarray) -> None:
    """Make every row add up to its total: first on open items, in proportion to the room there,
    then on choices as a whole, and only then in parts of a choice."""

    def spread(columns: np.ndarray) -> None:
        lack = total - points.sum(axis=1)
        room = np.where(lack[:, None] > 0, full[columns] - points[:, columns], points[:, columns])
        most = room.sum(axis=1)
        share = np.minimum(np.abs(lack) / np.maximum(most, 1), 1)[:, None]
        points[:, columns] += (np.sign(lack)[:, None] * np.floor(room * share)).astype(int)

    def one_by_one(columns: np.ndarray, whole: bool) -> None:
        for column in columns:
            lack = total - points.sum(axis=1)
            step = np.clip(lack, -points[:, column], full[column] - points[:, column])
            if whole:
                step = np.where(np.abs(step) == full[column], step, 0)
            points[:, column] += step

    opened, choices = np.flatnonzero(~choice), np.flatnonzero(choice)
    spread(opened)
    one_by_one(opened, whole=False)
    one_by_one(choices, whole=True)
    one_by_one(opened, whole=False)
    one_by_one(choices, whole=False)
