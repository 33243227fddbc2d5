"""What runs until Ctrl-C: `eqm serve`, `eqm dev`."""

import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.shared import (
    DATA_ERRORS,
    ENVIRONMENT,
    HomeOption,
    RawOption,
    gate_faults,
    load_settings,
    served_release,
    stop,
)
from pipelines.settings import Settings
from pipelines.wording import bilingual

if TYPE_CHECKING:
    from dashboards.gate import Gate


def serve(
    port: Annotated[int | None, typer.Option(help="Port on 127.0.0.1. [default: 8400]")] = None,
    demonstration: Annotated[
        bool,
        typer.Option(
            "--demonstration",
            help="With three accounts to look around with, of the city, a district and a school.",
        ),
    ] = False,
    home: HomeOption = None,
) -> None:
    """Serve the current release on 127.0.0.1 until Ctrl-C, to who has an account."""
    from dashboards.gate import create_app, embedded

    settings = load_settings(home=home, port=port)
    served_release(settings)
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", settings.port)) == 0:
            taken = f"port {settings.port} is in use; choose another with --port or EQM_PORT"
            stop(taken, ENVIRONMENT)
    address = f"http://127.0.0.1:{settings.port}"
    with gate_faults():
        gate = create_app(settings)
        if demonstration:
            _tell_demonstration(settings, gate, address)
        elif not gate.accounts.list():
            stop(
                bilingual(
                    "There are no accounts yet. Make one: eqm user add NAME --scope city --reason "
                    "WHY; or look around with three of a demonstration: eqm serve --demonstration"
                ),
                DATA_ERRORS,
            )
        else:
            typer.echo(bilingual("Open {address}", address=f"{address}/"))
    server = embedded(gate, settings.port)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


def _tell_demonstration(settings: Settings, gate: "Gate", address: str) -> None:
    """The three sign-ins, and the link that opens the page of the first."""
    from dashboards.gate import demonstrate
    from pipelines.intake import user

    shelf = gate.shelves.shelf(gate.shelves.current())
    if shelf is None:
        stop(f"{settings.current} was made by an earlier version; run `eqm build`", DATA_ERRORS)
    given = demonstrate(settings, gate.accounts, shelf, user())
    typer.echo(bilingual("Three accounts to look around with (scope, account, password):"))
    for one in given:
        typer.echo(f"  {one.scope.key:<22} {one.name:<14} {one.password}")
    typer.echo(bilingual("Open this link, which works once:"))
    typer.echo(f"  {address}/gate/enter?ticket={gate.accounts.link(given[0].name)}")


def dev(
    raw: RawOption = None,
    home: HomeOption = None,
    port: Annotated[int, typer.Option(help="Port of Dagster's UI on 127.0.0.1.")] = 3000,
) -> None:
    """Dagster's UI and scheduler over the same job that `eqm build` runs."""
    from pipelines.build import dagster_home

    settings = load_settings(raw, home)
    os.environ |= {
        "EQM_RAW": str(settings.raw),
        "EQM_HOME": str(settings.home),
        "DAGSTER_HOME": dagster_home(settings),
    }
    dagster = str(Path(sys.executable).with_name("dagster"))
    address = ["-h", "127.0.0.1", "-p", str(port)]
    os.execv(dagster, [dagster, "dev", "-m", "pipelines.definitions", *address])
