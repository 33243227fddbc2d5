"""How things stand: `eqm status`, `metric`, `report`, `doctor`."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from pipelines.cli.shared import (
    DATA_ERRORS,
    ENVIRONMENT,
    SHOWN_LINES,
    WRONG_USAGE,
    HomeOption,
    JsonOption,
    RawOption,
    console,
    ending,
    load_settings,
    notes,
    print_json,
    progress,
    release_faults,
    served_release,
    stop,
    table_of,
)
from pipelines.settings import SettingsError
from pipelines.wording import bilingual

if TYPE_CHECKING:
    from pipelines.intake import Owed
    from pipelines.status import OwedStatus, Status


def status(
    raw: RawOption = None,
    home: HomeOption = None,
    owed: Annotated[bool, typer.Option("--owed", help="List who owes what, and no more.")] = False,
    files: Annotated[bool, typer.Option("--files", help="List every file, and no more.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Feeds and their freshness, files by state, who owes what, the release, the next run."""
    from pipelines.status import status as tell

    settings = load_settings(raw, home)
    with ending({SettingsError: WRONG_USAGE}):
        found = tell(settings)
    if as_json and not (owed or files):
        print_json(asdict(found))
        return
    if owed or files:
        listed = [asdict(one) for one in found.owed] if owed else found.files
        if as_json:
            print_json(listed)
        else:
            console.print(_owed_table(found.owed) if owed else _files_table(found.files))
            if owed:
                _tell_of_days(found.owed)
        return
    table = table_of("feed", "files", "landed", "refused", "rows", "newest (UTC)")
    for f in found.feeds:
        newest = f"{f.newest:%Y-%m-%d %H:%M}" if f.newest else "-"
        table.add_row(f.feed, str(f.files), str(f.landed), str(f.refused), f"{f.rows:,}", newest)
    console.print(table)
    _tell_of_files(found)
    if found.release is None:
        typer.echo("release: none yet; `eqm build` makes one")
    else:
        r = found.release
        typer.echo(
            f"release: {r.release_id}, made {r.made_at}, from {r.files} files; "
            f"{r.checks} checks, {r.failed_checks} failed"
        )
    if found.over:
        over = ", ".join(f"{one.feed} {one.school_year}" for one in found.over[:SHOWN_LINES])
        more = " …" if len(found.over) > SHOWN_LINES else ""
        typer.echo(
            bilingual(
                "kept longer than the setting retention_years says: {listed}; "
                "`eqm retention apply` lets it go, nothing else does.",
                listed=over + more,
            )
        )
    for feed, year, reported, expected in found.missing:
        typer.echo(f"{feed} {year}: {reported} of {expected} schools have reported")
    if found.last_run and found.last_run[0] == "FAILURE":
        typer.echo(
            f"last build: failed, {found.last_run[1]:%Y-%m-%d %H:%M} UTC; `eqm build` says why, "
            "and so does Dagster's interface (`eqm dev`)"
        )
    when = f"{found.next_run:%Y-%m-%d %H:%M %Z}"
    typer.echo(
        f"next run: {when}"
        if found.scheduler_running
        else f"next run: none, no scheduler is running (it would be {when}; `make dev` starts one)"
    )


def _tell_of_files(found: "Status") -> None:
    """Files by state, those that wait for somebody, and what is owed, in short."""
    from pipelines.intake import state_name

    if found.states:
        words = [f"{state_name(s, 'zh')} {s} {n}" for s, n in found.states.items()]
        typer.echo("files: " + " · ".join(words))
    if found.waiting:
        console.print(_files_table(found.waiting[:SHOWN_LINES]))
        if len(found.waiting) > SHOWN_LINES:
            typer.echo(f"… {len(found.waiting) - SHOWN_LINES} more; --files lists all")
    if found.owing:
        table = table_of("owed", "year or wave", "due", "of", "missing", "returned", "overdue", "")
        for o in found.owing[:SHOWN_LINES]:
            numbers = (o.expected, o.not_submitted, o.returned, o.overdue)
            more = " …" if o.not_submitted + o.returned > len(o.names) else ""
            named = "、".join(o.names) + more
            when = o.wave_id or o.school_year
            table.add_row(o.feed, when, _day(o), *map(str, numbers), named)
        console.print(table)
        _tell_of_days(found.owing[:SHOWN_LINES])
        if len(found.owing) > SHOWN_LINES:
            typer.echo(f"… {len(found.owing) - SHOWN_LINES} more; --owed lists all")


def _day(owed: "Owed | OwedStatus") -> str:
    """The day on which something is due, marked where nobody has said it."""
    return f"{owed.due_on}{' ?' if owed.due_assumed else ''}"


def _tell_of_days(listed: "Iterable[Owed | OwedStatus]") -> None:
    if any(one.due_assumed for one in listed):
        typer.echo(
            bilingual(
                "? no wave says this day; it is the platform's own assumption (duties.yml), and "
                "the centre's notice goes before it."
            )
        )


def _files_table(rows: list[dict[str, Any]]) -> Table:
    table = table_of("file id", "state", "", "errors", "queries open", "file")
    for r in rows:
        numbers = (str(r["errors"]), str(r["open_queries"]))
        table.add_row(r["submission_id"], r["state"], r["state_zh"], *numbers, r["source_file"])
    return table


def _owed_table(owed: "list[Owed]") -> Table:
    table = table_of("feed", "year or wave", "unit", "", "due", "state", "", "overdue", "file")
    for o in owed:
        what = (o.feed, o.wave_id or o.school_year, o.unit_code, o.unit_name, _day(o))
        table.add_row(*what, o.state, o.state_zh, "!" if o.overdue else "", o.file)
    return table


def metric(
    name: Annotated[
        str | None, typer.Argument(help="Name of the figure; without one, all are listed.")
    ] = None,
    by: Annotated[
        str,
        typer.Option(
            help="By what, with commas: a level (district), a group (gender), columns (subject)."
        ),
    ] = "",
    where: Annotated[
        str, typer.Option(help="Condition in SQL: \"subject = 'mathematics' and n >= 30\".")
    ] = "",
    published: Annotated[
        bool, typer.Option("--published", help="As pages show it: withheld, rounded, marked.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """What a published figure is, and its values in the release that is served."""
    from pipelines.metrics import BadQuestion, ask, load_metrics

    if name is None:
        known = load_metrics().values()
        if as_json:
            print_json([one.model_dump() for one in known])
            return
        listed = table_of("metric", "名称", "name", "unit", "table")
        for one in known:
            listed.add_row(one.name, one.zh, one.en, one.unit, one.model)
        console.print(listed)
        return
    settings = load_settings(home=home)
    served = served_release(settings)
    warehouse = settings.releases / served / "warehouse.duckdb"
    asked = [word.strip() for word in by.split(",") if word.strip()]
    with ending({BadQuestion: WRONG_USAGE}):
        answer = ask(warehouse, name, asked, where, published)
    found = answer.metric
    if as_json:
        rows = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
        print_json({"metric": found.model_dump(), "release": served, "rows": rows})
        return
    notes.print(f"{found.zh} · {found.en}: {found.formula} {found.source}".rstrip())
    table = table_of(*answer.columns)
    for row in answer.rows:
        table.add_row(*(_shown(value) for value in row))
    console.print(table)


def _shown(value: Any) -> str:
    """A value of a table on the terminal; what is not there stays empty."""
    if value is None:
        return ""
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def report(
    school: Annotated[
        list[str] | None, typer.Option("--school", metavar="CODE", help="May be given again.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Of all schools.")] = False,
    release_id: Annotated[
        str | None, typer.Option("--release", metavar="ID", help="[default: the one served]")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder. [default: reports/ID in the home]")
    ] = None,
    lang: Annotated[
        str | None, typer.Option("--lang", help="zh or en. [default: one report in each]")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Reports of schools as PDF, two sheets of A4 each, out of what a release published."""
    from dashboards.site import NoPrinter, NoSuchSchool, ReportError, write_reports
    from pipelines.release import current, show, standing
    from pipelines.wording import LANGUAGES, Lang, translator

    langs = [one for one in LANGUAGES if lang in (None, one)]
    if bool(school) == every or not langs:
        stop("give either --school CODE or --all, and as --lang zh or en", WRONG_USAGE)
    settings = load_settings(home=home)
    name = release_id or current(settings)
    if name is None:
        stop("no releases yet; `eqm build` makes one", WRONG_USAGE)

    def notice(one: Lang) -> str:
        words = translator(one).gettext
        return {
            "embargoed": words("For the centre alone, please do not pass on: embargoed until")
            + f" {stands.until}",
            "prepared": words("For the centre alone, please do not pass on: not published."),
        }.get(stands.state, "")

    with (
        release_faults(),
        ending({NoSuchSchool: WRONG_USAGE, NoPrinter: ENVIRONMENT, ReportError: DATA_ERRORS}),
        progress() as bars,
    ):
        show(settings, name)
        stands = standing(settings, name)
        folder = out or settings.home / "reports" / name
        task = bars.add_task("reports")
        written = write_reports(
            settings.releases / name / "warehouse.duckdb",
            folder,
            release_id=name,
            codes=None if every else school,
            langs=langs,
            notice=notice,
            tell=lambda done, of: bars.update(task, completed=done, total=of),
        )
    if as_json:
        print_json({"release": name, "files": list(map(str, written))})
    else:
        typer.echo(f"release {name}: {len(written)} reports in {folder}")


def doctor(
    production: Annotated[
        bool,
        typer.Option(
            "--production",
            help="Also what a machine needs that serves others: modes, keys, TLS, clock, backups.",
        ),
    ] = False,
    raw: RawOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """What is missing on this machine, and how to mend it."""
    from pipelines.doctor import examine

    settings = load_settings(raw, home)
    findings = examine(settings)
    if production:
        from pipelines.production import inspect

        findings += inspect(settings)
    if as_json:
        print_json([asdict(f) for f in findings])
    else:
        for f in findings:
            sign = {"ok": "✓", "hint": "·", "missing": "✗"}[f.state]
            typer.echo(f"{sign} {f.what}: {f.found}" + (f" → {f.mend}" if f.mend else ""))
    raise typer.Exit(ENVIRONMENT if any(f.state == "missing" for f in findings) else 0)
