"""Items, papers and competencies a second time, from whole matrices of students by items.

Written from the methods: covariances come from NumPy, the ends of 27 % from each student's place in
the queue of sums, a student's ratio on a dimension from the student's own row.
"""

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from tests.oracle.attainment import Z

PAPER = ["wave_id", "grade", "subject"]
ITEM = [*PAPER, "item_no"]
CELL = [*PAPER, "dimension_kind", "dimension_value", "level", "unit_code"]
FACT = ["wave_id", "student_key", "subject", "item_no"]
COVERAGE = ["school_year", "wave_id", "subject", "counted_as"]
ENOUGH = 30
KINDS = {
    "competency": ["competency"],
    "content_domain": ["content_domain"],
    "cognitive_level": ["cognitive_level"],
    "competency_content": ["competency", "content_domain"],
    "competency_content_level": ["competency", "content_domain", "cognitive_level"],
}


def placed(feeds: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Rows of the item feed with the student's result, the map's marks, and how each counts."""
    results = feeds["monitoring_results"].drop(columns="school_year")
    results = results.rename(columns={"score": "paper_score"})
    rows = feeds["item_results"].merge(
        results, how="left", on=["wave_id", "student_key", "subject"], indicator="found"
    )
    papers = feeds["monitoring_waves"][[*PAPER, "school_year"]]
    rows = rows.merge(papers.rename(columns={"school_year": "wave_year"}), how="left", on=PAPER)
    rows["school_year"] = rows["wave_year"].fillna(rows["school_year"])
    marks = feeds["item_map"][[*ITEM, "full_mark"]]
    rows = rows.merge(marks, how="left", on=ITEM)
    mapped = set(marks[PAPER].itertuples(index=False, name=None))

    def way(row: Any) -> str:
        if row.found != "both":
            return "no_result"
        if row.status != "present":
            return "not_present"
        if pd.isna(row.wave_year):
            return "no_paper"
        if (row.wave_id, row.grade, row.subject) in mapped and pd.isna(row.full_mark):
            return "not_on_map"
        if pd.isna(row.score):
            return "missing"
        if row.score < 0 or row.score > row.full_mark:
            return "out_of_range"
        return "counted"

    rows["counted_as"] = [way(row) for row in rows.itertuples()]
    return rows


def facts(feeds: dict[str, pd.DataFrame], rows: pd.DataFrame) -> pd.DataFrame:
    """Every row of the feed with the place in which the student sat, as the register has it."""
    districts = feeds["schools"][["school_code", "school_year", "district_code"]]
    out = rows.merge(
        districts.rename(columns={"school_year": "wave_year"}),
        how="left", on=["school_code", "wave_year"],
    )  # fmt: skip
    parts = [out["school_code"], out["grade"].map("{:.0f}".format), out["class_no"]]
    out["class_code"] = parts[0].str.cat(parts[1:], sep="-")
    columns = ["school_year", "grade", "district_code", "school_code", "class_code", "score"]
    return out[[*FACT, *columns, "full_mark", "counted_as"]]


def coverage(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows and students by how they count."""
    lines = rows.groupby(COVERAGE).size().rename("item_rows")
    best = rows.groupby(["school_year", "wave_id", "subject", "student_key"])["counted_as"].agg(
        lambda ways: "counted" if "counted" in set(ways) else min(ways)
    )
    students = best.reset_index().groupby(COVERAGE).size().rename("students")
    return pd.concat([lines, students], axis=1).fillna(0).reset_index()


def end_weights(totals: np.ndarray) -> np.ndarray:
    """How much of each student lies in the first 27 % of the queue from the smallest total on.

    Students of one total stand abreast: they share what their stretch of the queue has in it.
    """
    wanted = 0.27 * len(totals)
    weights = np.empty(len(totals))
    for total in np.unique(totals):
        abreast = totals == total
        start = (totals < total).sum()
        weights[abreast] = np.clip(wanted - start, 0, abreast.sum()) / abreast.sum()
    return weights


def alpha(points: np.ndarray) -> float:
    """Cronbach's alpha of students by items, from the mean covariance of two items."""
    k = points.shape[1]
    if k < 2 or len(points) < 2:
        return np.nan
    covariances = np.cov(points, rowvar=False)
    if covariances.sum() < 1e-12:
        return np.nan
    return k / (k - 1) * (1 - np.trace(covariances) / covariances.sum())


def correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Pearson's correlation, none where one side does not differ."""
    if len(x) < 2 or np.ptp(x) < 1e-9 or np.ptp(y) < 1e-9:
        return np.nan
    return float(np.corrcoef(x, y)[0, 1])


def whole_papers(rows: pd.DataFrame) -> dict[tuple[Any, ...], pd.DataFrame]:
    """Paper → matrix of points, a row a student, a column an item that anybody has points on."""
    counted = rows[rows["counted_as"] == "counted"]
    return {
        paper: part.pivot(index="student_key", columns="item_no", values="score").astype(float)
        for paper, part in counted.groupby(PAPER)
    }


def item_figures(points: pd.DataFrame, item: str, full: float) -> dict[str, float]:
    """Figures of one item of a paper's matrix."""
    own = points[item].dropna()
    whole = points.dropna()
    matrix = whole.to_numpy()
    x, totals = whole[item].to_numpy(), matrix.sum(axis=1)
    differ = len(totals) > 1 and np.ptp(totals) > 1e-9
    upper, lower = end_weights(-totals), end_weights(totals)
    gap = (upper @ x) / upper.sum() - (lower @ x) / lower.sum() if differ else np.nan
    scale = full or np.nan
    return {
        "n": len(own),
        "n_complete": len(whole),
        "mean_score": own.mean(),
        "item_difficulty": own.mean() / scale,
        "discrimination": gap / scale,
        "item_rest_correlation": correlation(x, totals - x),
        "alpha": alpha(matrix),
        "alpha_without": alpha(whole.drop(columns=item).to_numpy()),
        "full_share": (own == full).mean() if full == full else np.nan,
        "zero_share": (own == 0).mean(),
        "missing_share": 1 - len(own) / len(points),
    }


def judge(line: dict[str, Any], has_map: bool) -> dict[str, Any]:
    """Flags and reasons of an item."""
    often, enough = line["n"] >= ENOUGH, line["n_complete"] >= ENOUGH

    def flag(known: bool, figure: float, says: bool) -> float:
        return float(says) if known and not np.isnan(figure) else np.nan

    p, d, r = line["item_difficulty"], line["discrimination"], line["item_rest_correlation"]
    flags = {
        "is_too_easy": flag(often, p, p > 0.9),
        "is_too_hard": flag(often, p, p < 0.2),
        "is_weak": flag(enough, d, d < 0.2),
        "is_reversed": flag(enough, r, r < 0),
        "lowers_alpha": flag(
            enough,
            line["alpha_without"] - line["alpha"],
            line["alpha_without"] - line["alpha"] > 1e-12,
        ),
    }
    reasons = [
        ("not_on_map", has_map and not line["is_on_map"]),
        ("no_map", not has_map),
        ("no_results", line["is_on_map"] and line["n"] == 0),
        ("out_of_range", line["n_out_of_range"] > 0),
        *((name.removeprefix("is_"), value == 1) for name, value in flags.items()),
        ("few_students", 0 < line["n"] < ENOUGH),
    ]
    words = ",".join(name for name, holds in reasons if holds)
    easy = None if np.isnan(p) else "easy" if p >= 0.7 else "medium" if p >= 0.4 else "hard"
    return line | flags | {"look_at": words or None, "difficulty_word": easy}


def item_quality(feeds: dict[str, pd.DataFrame], rows: pd.DataFrame) -> pd.DataFrame:
    """Every figure of every item, of the map or of the feed; with the paper's alpha."""
    papers = whole_papers(rows)
    known = feeds["monitoring_waves"].set_index(PAPER)["school_year"].to_dict()
    properties = ["full_mark", "competency", "content_domain", "cognitive_level"]
    items = feeds["item_map"].reindex(columns=[*ITEM, *properties]).set_index(ITEM)
    seen = rows[rows["counted_as"].isin(["counted", "missing", "not_on_map", "out_of_range"])]
    wild = seen[seen["counted_as"] == "out_of_range"].groupby(ITEM).size().to_dict()
    names = {*items.index, *seen[ITEM].itertuples(index=False, name=None)}
    mapped = {key[:3] for key in items.index}
    out = []
    for key in sorted(names):
        paper, item = key[:3], key[3]
        if paper not in known:
            continue
        line: dict[str, Any] = dict(zip(ITEM, key, strict=True))
        on_map = key in items.index
        line |= items.loc[key].to_dict() if on_map else dict.fromkeys(properties)
        full = float(line["full_mark"]) if on_map else np.nan
        points = papers.get(paper, pd.DataFrame())
        line |= {"school_year": known[paper], "is_on_map": on_map, "full_mark": full}
        line |= {"students": len(points), "n_out_of_range": wild.get(key, 0)}
        if item in points:
            line |= item_figures(points, item, full)
        else:
            line |= dict.fromkeys(item_figures(pd.DataFrame({"x": [1.0]}), "x", 1), np.nan)
            line |= {"n": 0, "n_complete": 0}
            if len(points) and (on_map or paper not in mapped):
                line["missing_share"] = 1.0
        out.append(judge(line, paper in mapped))
    return pd.DataFrame(out)


def paper_quality(
    feeds: dict[str, pd.DataFrame], rows: pd.DataFrame, items: pd.DataFrame
) -> pd.DataFrame:
    """Every figure of every paper of the list of waves."""
    matrices = whole_papers(rows)
    out = []
    for wave in feeds["monitoring_waves"].itertuples():
        paper = (wave.wave_id, wave.grade, wave.subject)
        own = items[(items[PAPER] == list(paper)).all(axis=1)]
        on_map, points = own[own["is_on_map"]], matrices.get(paper)
        both = (points is not None, len(on_map) > 0)
        line = dict(zip(PAPER, paper, strict=True))
        line |= {"school_year": wave.school_year, "full_mark": float(wave.full_mark)}
        line["evidence"] = {
            (True, True): "items_and_map", (True, False): "items_only",
            (False, True): "map_only", (False, False): "none",
        }[both]  # fmt: skip
        if len(own):
            line["mapped_items"] = len(on_map)
            line["mapped_without_results"] = (on_map["n"] == 0).sum()
            line["results_without_map"] = (~own["is_on_map"]).sum()
        if len(on_map):
            line["items_full_mark"] = on_map["full_mark"].sum()
            line["full_marks_agree"] = float(on_map["full_mark"].sum() == float(wave.full_mark))
        if points is not None:
            sat = feeds["monitoring_results"]
            sat = sat[(sat[PAPER] == list(paper)).all(axis=1) & (sat["status"] == "present")]
            scores = sat.set_index("student_key")["score"].astype(float)
            got, whole = scores.dropna(), points.dropna()
            totals = whole.sum(axis=1)
            compared = scores.reindex(totals.index).dropna()
            a = alpha(whole.to_numpy())
            line |= {
                "students": len(scores),
                "n": len(got),
                "students_with_items": len(points),
                "students_complete": len(whole),
                "items": points.shape[1],
                "mean_score": got.mean(),
                "standard_deviation": got.std(ddof=0),
                "floor_share": (got == 0).mean(),
                "ceiling_share": (got >= float(wave.full_mark)).mean(),
                "mean_difficulty": own["item_difficulty"].mean(),
                "mean_discrimination": own["discrimination"].mean(),
                "cronbach_alpha": a,
                "total_deviation": totals.std(ddof=0),
                "measurement_error": totals.std(ddof=0) * np.sqrt(1 - a),
                "n_compared": len(compared),
                "sum_agrees_share": (totals[compared.index] == compared).mean(),
            }
        out.append(line)
    return pd.DataFrame(out)


def difference_error(inside: np.ndarray, outside: np.ndarray) -> float:
    """Standard error of the mean of a part less that of the whole, the students independent."""
    n, rest = len(inside), len(outside)
    if n < 2 or rest < 2:
        return np.nan
    share = rest / (n + rest)
    return share * np.sqrt(inside.var(ddof=1) / n + outside.var(ddof=1) / rest)


def competency(
    feeds: dict[str, pd.DataFrame], rows: pd.DataFrame, items: pd.DataFrame, city: str
) -> pd.DataFrame:
    """Every figure of every dimension and unit."""
    waves = feeds["monitoring_waves"].set_index(PAPER)
    districts = feeds["schools"].set_index(["school_code", "school_year"])["district_code"]
    sat = feeds["monitoring_results"].set_index(["wave_id", "subject", "student_key"])
    out = []
    for paper, points in whole_papers(rows).items():
        own = items[(items[PAPER] == list(paper)).all(axis=1) & items["is_on_map"]]
        own = own[own["n"] > 0].set_index("item_no")
        organiser, year = waves.loc[paper, "level"], waves.loc[paper, "school_year"]
        homes = sat.loc[[(paper[0], paper[2], key) for key in points.index]]
        school = homes["school_code"].to_numpy()
        number = homes["class_no"].to_numpy()
        units = {
            "city": np.array([city] * len(points), dtype=object),
            "district": np.array([districts.get((s, year)) for s in school], dtype=object),
            "school": school,
            "class": np.array(
                [f"{s}-{int(paper[1])}-{c}" if isinstance(c, str) else None
                 for s, c in zip(school, number, strict=True)], dtype=object,
            ),
        }  # fmt: skip
        skipped = {"district": {"city"}, "school": {"city", "district"}}.get(organiser, set())
        for kind, columns in KINDS.items():
            for _, group in own.dropna(subset=columns).groupby(columns):
                part, full = points[group.index], group["full_mark"].sum()
                ratio = (part.sum(axis=1, skipna=False) / (full or np.nan)).to_numpy()
                touched = part.notna().any(axis=1).to_numpy()
                known = part.notna().all(axis=1).to_numpy()
                value = " × ".join(str(group[c].iloc[0]) for c in columns)
                for level in units.keys() - skipped:
                    for unit in {u for u in units[level][touched] if isinstance(u, str)}:
                        here = units[level] == unit
                        mine, others = ratio[here & known], ratio[~here & known]
                        line = dict(zip(PAPER, paper, strict=True)) | {"school_year": year}
                        line |= {"dimension_kind": kind, "dimension_value": value}
                        for name in ("competency", "content_domain", "cognitive_level"):
                            line[name] = group[name].iloc[0] if name in columns else None
                        line |= {"level": level, "unit_code": unit, "items": len(group)}
                        line |= {"full_marks": full, "students": (here & touched).sum()}
                        line |= {"n": len(mine), "is_few_items": float(len(group) < 3)}
                        line["score_ratio"] = mine.mean() if len(mine) else np.nan
                        if "city" not in skipped and known.any():
                            gap = line["score_ratio"] - ratio[known].mean()
                            error = difference_error(mine, others)
                            deviation = ratio[known].std()
                            line |= {
                                "difference_points": 100 * gap,
                                "difference_se": 100 * error,
                                "difference_low": 100 * (gap - Z * error),
                                "difference_high": 100 * (gap + Z * error),
                                "city_sd": deviation,
                                "difference_in_sd": gap / deviation
                                if deviation > 1e-12
                                else np.nan,
                            }
                        out.append(line)
    return pd.DataFrame(out)


def pairwise_alpha(points: np.ndarray) -> float:
    """Alpha again, from the covariances of all pairs of items (Cronbach 1951, formula 16)."""
    k = points.shape[1]
    pairs = [np.cov(points[:, i], points[:, j])[0, 1] for i, j in combinations(range(k), 2)]
    return k * k * float(np.mean(pairs)) / points.sum(axis=1).var(ddof=1)
