"""Raw files of the STAR panel as frames in the warehouse's terms, read by pandas alone."""

from pathlib import Path

import pandas as pd

FEEDS = ("districts", "schools", "students", "monitoring_waves", "monitoring_results")


def read(raw: Path) -> dict[str, pd.DataFrame]:
    """Feed → rows. A missing score is an absence; the number itself serves as the key."""
    feeds = {}
    for feed in FEEDS:
        parts = [
            pd.read_csv(path, dtype=str).assign(school_year=path.parent.name)
            for path in sorted((raw / feed).rglob("*.csv"))
        ]
        feeds[feed] = pd.concat(parts, ignore_index=True)
    feeds["students"] = feeds["students"].rename(columns={"student_no": "student_key"})
    if "subsidised" in feeds["students"]:
        words = {"Y": True, "N": False}
        feeds["students"]["subsidised"] = feeds["students"]["subsidised"].map(words)
    waves = feeds["monitoring_waves"]
    waves["grade"] = waves["grade"].astype(int)
    for mark in ("full_mark", "pass_mark", "good_mark", "excellent_mark", "low_mark"):
        waves[mark] = waves[mark].astype(float)
    wide = feeds["monitoring_results"]
    long = wide.melt(
        [c for c in wide if c not in ("english", "mathematics")],
        ["english", "mathematics"],
        "subject",
        "score",
    ).rename(columns={"student_no": "student_key"})
    long["grade"] = long["grade"].astype(int)
    number = pd.to_numeric(long["score"], errors="coerce")
    long["status"] = number.notna().map({True: "present", False: "absent"})
    long["score"] = number
    feeds["monitoring_results"] = long
    return feeds
