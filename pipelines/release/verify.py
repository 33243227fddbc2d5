"""What must hold of a release before anybody sees it."""

import html
import os
import re
from collections.abc import Collection
from pathlib import Path
from urllib.parse import unquote, urlsplit

import duckdb

from pipelines.release.build import Building
from pipelines.release.errors import NotVerified

LINK = re.compile(r'\s(?:href|src)="([^"]+)"')
"""An address that a page names: all pages quote their attributes so, and escape quotes elsewhere.
To take a page apart takes eight times as long, and a city has twelve thousand."""


def links(page: str) -> list[str]:
    """The addresses that a page names, in order."""
    return [html.unescape(link) for link in LINK.findall(page)]


def verify(building: Building, tables: Collection[str]) -> int:
    """Open the warehouse, look for its tables, follow every link; answers the links followed.

    Args:
        building: what was built.
        tables: names (`schema.table`) that the warehouse must hold.

    Raises:
        NotVerified: with one line for each thing that is wrong.
    """
    wrong = _missing_tables(building.warehouse, tables)
    if not (building.site / "index.html").is_file():
        wrong.append("site/index.html is missing")
    followed = 0
    for root in (building.site, building.data_docs, building.analysis):
        files = {f"{folder}{os.sep}{name}" for folder, _, names in os.walk(root) for name in names}
        for page in sorted(Path(file) for file in files if file.endswith(".html")):
            for link in links(page.read_text(encoding="utf-8")):
                followed += 1
                fault = _fault(files, root, page, link)
                if fault:
                    wrong.append(f"{page.relative_to(building.path)}: {link}: {fault}")
    for table in sorted(building.downloads.glob("*.csv")):
        if not table.read_bytes().startswith(b"\xef\xbb\xbf"):
            wrong.append(f"downloads/{table.name}: no byte order mark, Excel would misread it")
    if wrong:
        raise NotVerified("\n".join(wrong))
    return followed


def _missing_tables(warehouse: Path, tables: Collection[str]) -> list[str]:
    if not warehouse.is_file():
        return ["warehouse.duckdb is missing"]
    with duckdb.connect(str(warehouse), read_only=True) as con:
        rows = con.execute("select schema_name || '.' || table_name from duckdb_tables()")
        held = {row[0] for row in rows.fetchall()}
    return [f"warehouse.duckdb: no table {name}" for name in sorted(set(tables) - held)]


def _fault(files: Collection[str], site: Path, page: Path, link: str) -> str:
    """What is wrong with a link; empty if nothing is.

    Args:
        files: all files of the site.
        site: its folder.
        page: where the link stands.
        link: the address.
    """
    parts = urlsplit(link)
    if parts.scheme == "data" or not (parts.scheme or parts.netloc or parts.path):
        return ""
    if parts.scheme or parts.netloc:
        return "leads out of the release"
    path = unquote(parts.path)
    # As text: a release has hundreds of thousands of links, and the files are known.
    target = path if path.startswith("/") else os.path.normpath(f"{page.parent}{os.sep}{path}")
    if target != str(site) and not target.startswith(f"{site}{os.sep}"):
        return "leads out of the site"
    known = target in files or f"{target}{os.sep}index.html" in files
    return "" if known else "leads nowhere"
