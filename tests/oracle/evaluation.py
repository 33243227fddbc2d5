"""Value added, histories and equity from the feeds in plain pandas and dense matrices.

Written from the methods, not from the models: each student's earlier waves are looped over, the
likelihood is that of the whole covariance matrix, inequalities are sums over pairs.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import ndtri

PAPER = ["wave_id", "grade", "subject"]
LEAST, MOST = 6, 60
Z = 1.959963984540054


def scored(feeds: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Results with a score, with z among all who sat the paper."""
    rows = feeds["monitoring_results"].drop(columns="school_year")
    rows = rows[rows["status"] == "present"].dropna(subset=["score"])
    papers = feeds["monitoring_waves"].rename(columns={"level": "wave_level"})
    rows = rows.merge(
        papers[[*PAPER, "school_year", "held_on", "wave_level", "wave_kind", "full_mark"]], on=PAPER
    )
    rows["score"] = rows["score"].astype(float)
    rows["held_on"] = pd.to_datetime(rows["held_on"])
    by = rows.groupby(PAPER)["score"]
    rows["z"] = (rows["score"] - by.transform("mean")) / by.transform(lambda x: x.std(ddof=0))
    return rows.reset_index(drop=True)


def prior_scores(rows: pd.DataFrame) -> pd.DataFrame:
    """Each result with its student's prior score, the mean of the others, and whether none is."""
    found = []
    for _, own in rows.groupby("student_key"):
        for row in own.itertuples():
            first = row.held_on - pd.DateOffset(months=MOST)
            last = row.held_on - pd.DateOffset(months=LEAST)
            earlier = own[
                own["held_on"].between(first, last) & own["wave_level"].isin(["city", "province"])
            ]
            same = earlier[earlier["subject"] == row.subject].sort_values("held_on")
            prior = others = no_others = np.nan
            if len(same):
                prior = same["z"].iloc[-1]
                wave = own[
                    (own["wave_id"] == same["wave_id"].iloc[-1]) & (own["subject"] != row.subject)
                ]
                others, no_others = (wave["z"].mean(), 0.0) if len(wave) else (0.0, 1.0)
            found.append(
                {name: getattr(row, name) for name in [*PAPER, "student_key"]}
                | {"prior": prior, "others": others, "no_others": no_others}
            )
    return rows.merge(pd.DataFrame(found), on=[*PAPER, "student_key"])


@dataclass(frozen=True)
class Estimate:
    """A two-level REML estimate by the dense matrix."""

    coefficients: np.ndarray
    variance_school: float
    variance_student: float
    effect: pd.Series
    se: pd.Series


def random_intercept(design: np.ndarray, y: np.ndarray, school: np.ndarray) -> Estimate:
    """REML by the whole covariance matrix of the students (Patterson & Thompson 1971)."""
    names, code = np.unique(school, return_inverse=True)
    member = np.eye(len(names))[code]
    together = member @ member.T
    free = len(y) - design.shape[1]

    def solved(ratio: float) -> tuple[float, np.ndarray, np.ndarray, float]:
        covariance = np.eye(len(y)) + ratio * together
        inverse = np.linalg.inv(covariance)
        information = design.T @ inverse @ design
        b = np.linalg.solve(information, design.T @ inverse @ y)
        rest = y - design @ b
        variance = float(rest @ inverse @ rest) / free
        deviance = (
            free * np.log(variance)
            + np.linalg.slogdet(covariance)[1]
            + np.linalg.slogdet(information)[1]
        )
        return float(deviance), b, inverse @ rest, variance

    best = minimize_scalar(
        lambda log: solved(np.exp(log))[0], bounds=(-12, 5), options={"xatol": 1e-12}
    )
    ratio = float(np.exp(best.x))
    if solved(0)[0] <= best.fun:
        ratio = 0.0
    _, b, pulled, variance = solved(ratio)
    size = member.sum(axis=0)
    between = ratio * variance
    posterior = between * variance / (size * between + variance)
    return Estimate(
        b,
        between,
        variance,
        pd.Series(ratio * (member.T @ pulled), names),
        pd.Series(np.sqrt(posterior), names),
    )


def value_added(rows: pd.DataFrame) -> Estimate:
    """The standard model of one paper's matched students."""
    own = rows.dropna(subset=["prior"])
    columns = [own["prior"], own["prior"] ** 2, own["others"], own["no_others"]]
    kept = [c for c in columns if c.nunique() > 1]
    design = np.column_stack([np.ones(len(own)), *kept])
    return random_intercept(design, own["z"].to_numpy(), own["school_code"].to_numpy())


def residuals(rows: pd.DataFrame, estimate: Estimate) -> pd.DataFrame:
    """Matched students with what the fixed part leaves of their z, and their schools' codes."""
    own = rows.dropna(subset=["prior"]).copy()
    columns = [own["prior"], own["prior"] ** 2, own["others"], own["no_others"]]
    kept = [c for c in columns if c.nunique() > 1]
    own["residual"] = own["z"] - np.column_stack([np.ones(len(own)), *kept]) @ estimate.coefficients
    return own


def shrunk(residual: np.ndarray, estimate: Estimate) -> float:
    """The effect of a school with these students' residuals, given the variances."""
    n = len(residual)
    trust = (
        n * estimate.variance_school / (n * estimate.variance_school + estimate.variance_student)
    )
    return float(trust * residual.mean())


def progress(rows: pd.DataFrame) -> pd.DataFrame:
    """The simple counterpart of each school, bands of twentieths by the rank of the prior."""
    own = rows.dropna(subset=["prior"]).copy()
    middle = own["prior"].round(9).rank(method="average") - 0.5
    own["band"] = np.floor(20 * middle / len(own))
    own["progress"] = own["z"] - own.groupby("band")["z"].transform("mean")
    spread = np.sqrt((own["progress"] ** 2).sum() / (len(own) - own["band"].nunique()))
    found = own.groupby("school_code")["progress"].agg(["mean", "size"])
    return found.assign(se=spread / np.sqrt(found["size"]))


def histories(rows: pd.DataFrame, papers: pd.DataFrame, most: int) -> dict[Any, pd.DataFrame]:
    """Paper → scores of those who sat the cohort's latest earlier wave, and the waves before."""
    papers = papers.rename(columns={"level": "wave_level"}).copy()
    papers["held_on"] = pd.to_datetime(papers["held_on"])
    papers["start"] = papers["school_year"].str[:4].astype(int)
    found = {}
    for paper in papers.itertuples():
        first = paper.held_on - pd.DateOffset(months=MOST)
        last = paper.held_on - pd.DateOffset(months=LEAST)
        earlier = papers[
            (papers["subject"] == paper.subject)
            & papers["wave_level"].isin(["city", "province"])
            & (papers["grade"] - papers["start"] == paper.grade - paper.start)
            & papers["held_on"].between(first, last)
        ].sort_values("held_on", ascending=False)
        key = (paper.wave_id, paper.grade, paper.subject)
        own = rows[(rows[PAPER] == list(key)).all(axis=1)].set_index("student_key")
        for back, wave in enumerate(list(earlier["wave_id"])[:most], 1):
            then = rows[(rows["wave_id"] == wave) & (rows["subject"] == paper.subject)]
            own[f"score_{back}"] = then.set_index("student_key")["score"].reindex(own.index)
        if len(earlier):
            found[key] = own[own["score_1"].notna()]
    return found


def inequality(n: np.ndarray, x: np.ndarray, district: np.ndarray) -> dict[str, float]:
    """Coefficient of variation, Gini over pairs of students, and Theil with its parts."""
    mean = np.average(x, weights=n)
    share = n / n.sum()
    pairs = np.abs(x[:, None] - x[None, :]) * share[:, None] * share[None, :]
    relative = x / mean
    between = 0.0
    for name in np.unique(district):
        part = share[district == name].sum()
        own = np.average(x[district == name], weights=n[district == name]) / mean
        between += part * own * np.log(own)
    whole = float((share * relative * np.log(relative)).sum())
    return {
        "coefficient_of_variation": float(np.sqrt((share * (x - mean) ** 2).sum()) / mean),
        "gini": float(pairs.sum() / (2 * mean)),
        "theil": whole,
        "theil_between": between,
        "theil_within": whole - between,
    }


def gaps(a: pd.DataFrame, b: pd.DataFrame) -> dict[str, float]:
    """Cohen's d, V by pairs of students, and parity, of group a over group b."""
    za, zb = a["z"].to_numpy(), b["z"].to_numpy()
    inner = ((za - za.mean()) ** 2).sum() + ((zb - zb.mean()) ** 2).sum()
    ahead = (za[:, None] > zb).mean() + (za[:, None] == zb).mean() / 2
    pa, pb = a["passed"].mean(), b["passed"].mean()
    return {
        "gap_d": (za.mean() - zb.mean()) / np.sqrt(inner / (len(za) + len(zb) - 2)),
        "gap_v": float(np.sqrt(2) * ndtri(ahead)),
        "parity_ratio": pa / pb if pb else np.nan,
        "parity_difference": pa - pb,
    }
