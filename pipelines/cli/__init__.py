"""`eqm`: the platform from the command line. Thin: each command calls one room's face."""

import sys
from collections.abc import Callable

import typer
from sqlalchemy.exc import SQLAlchemyError

from pipelines.cli import (
    accounts,
    build,
    intake,
    reading,
    releases,
    retention,
    sample,
    serve,
)
from pipelines.cli.shared import ENVIRONMENT, WRONG_USAGE
from pipelines.feeds import ContractError
from pipelines.settings import SettingsError

EPILOG = (
    "Exit codes: 0 done · 1 the data has errors (what is good was still built and released, "
    "unless a check failed) · 2 wrong usage · 3 the environment. "
    "Every setting can be given as EQM_NAME or in eqm.toml."
)
COMMANDS: tuple[Callable[..., None], ...] = (
    build.build,
    reading.report,
    intake.ingest,
    intake.explain,
    intake.approve,
    intake.withdraw,
    retention.forget,
    intake.check,
    intake.template,
    sample.sample,
    reading.status,
    reading.metric,
    serve.serve,
    reading.doctor,
    serve.dev,
)
"""In the order of `eqm --help`; the groups stand after them."""
GROUPS = {
    "releases": releases.app,
    "user": accounts.user_app,
    "audit": accounts.audit_app,
    "retention": retention.app,
}

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="教育质量监测 · From schools' files to published figures.",
    epilog=EPILOG,
)
for command in COMMANDS:
    app.command()(command)
for name, group in GROUPS.items():
    app.add_typer(group, name=name)


def main() -> None:
    """The console script. What the machine refuses is said in one line; so is a setting, or a
    contract of the city's own, that is none, of which many a module knows only once it is loaded.
    """
    try:
        app()
    except (SettingsError, ContractError) as error:
        typer.echo(str(error), err=True)
        sys.exit(WRONG_USAGE)
    except (OSError, SQLAlchemyError) as error:
        typer.echo(str(error).splitlines()[0], err=True)
        sys.exit(ENVIRONMENT)
