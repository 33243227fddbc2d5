"""The gate in one process, on 127.0.0.1; what gunicorn opens; and what neither writes down."""

import logging

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from dashboards.gate.app import Gate, create_app
from pipelines.settings import Settings

HOST = "127.0.0.1"


class _Handler(WSGIRequestHandler):
    """Writes down a request without what stands behind its question mark: tickets, codes, names."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        path = self.path.partition("?")[0] if hasattr(self, "path") else "-"
        line = f"{getattr(self, 'command', '-')} {path[:200]}".encode("ascii", "replace").decode()
        logging.getLogger("werkzeug").info("%s %s %s", self.address_string(), line, code)


def embedded(gate: Gate, port: int) -> BaseWSGIServer:
    """A server on 127.0.0.1, one thread a request; `serve_forever` runs it.

    Raises:
        OSError: the port is taken.
    """
    return make_server(HOST, port, gate, threaded=True, request_handler=_Handler)


def application() -> Gate:
    """What gunicorn opens (`dashboards.gate.server:application()`), of the environment's settings.

    Raises:
        RuntimeError: there is no account yet; gunicorn ends and says so.
    """
    settings = Settings.load()
    gate = create_app(settings)
    if not gate.accounts.list():
        raise RuntimeError("no accounts; eqm user add NAME --scope city --reason WHY")
    return gate
