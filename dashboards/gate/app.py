"""A small web application over the releases of a home: files, headers, nothing computed."""

import re
from pathlib import Path

from flask import Flask, Response, redirect, request, send_file
from werkzeug.security import safe_join

# Plotly sizes and colours its parts through style elements and attributes that it makes while
# drawing; without 'unsafe-inline' for styles a figure loses its layout. Scripts stay strict.
POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}

_RELEASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_HASHED = re.compile(r"static/[^/]+\.[0-9a-f]{12}\.[a-z]+")

_TYPES = {".csv": "text/csv; charset=utf-8", ".js": "text/javascript; charset=utf-8"}


def create_app(home: Path) -> Flask:
    """The application over a home (`EQM_HOME`).

    `/` follows the release that `current` names, looked up anew at each request;
    `/r/<release>/` is the permanent address of one release.
    """
    app = Flask(__name__, static_folder=None)
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    home = Path(home)

    @app.get("/r/<release>/", defaults={"path": ""})
    @app.get("/r/<release>/<path:path>")
    def permanent(release: str, path: str) -> Response:
        if not _RELEASE.fullmatch(release):
            return _plain(404, "未找到此页 / Page not found")
        return _send(home / "releases" / release / "site", path)

    @app.get("/", defaults={"path": ""})
    @app.get("/<path:path>")
    def newest(path: str) -> Response:
        current = home / "current"
        if not current.exists():
            return _plain(503, "尚无已发布的数据 / Nothing has been released yet")
        return _send(current.resolve() / "site", path)

    @app.errorhandler(404)
    def missing(error: Exception) -> Response:
        return _plain(404, "未找到此页 / Page not found")

    @app.errorhandler(405)
    def refused(error: Exception) -> Response:
        response = _plain(405, "只能读取 / Read only")
        response.headers["Allow"] = "GET, HEAD"
        return response

    @app.after_request
    def guard(response: Response) -> Response:
        response.headers.update(HEADERS)
        return response

    return app


def _send(site: Path, path: str) -> Response:
    """A file of a site; a folder answers with its `index.html`."""
    joined = safe_join(str(site), path) if path else str(site)
    if joined is None:
        return _plain(404, "未找到此页 / Page not found")
    target = Path(joined)
    if target.is_dir():
        if not request.path.endswith("/"):
            # Relative links of the page need the slash.
            return redirect(f"/{request.path.strip('/')}/", 308)  # type: ignore[return-value]
        target = target / "index.html"
    if not target.is_file():
        return _plain(404, "未找到此页 / Page not found")
    response = send_file(target, mimetype=None, conditional=True, etag=True)
    if target.suffix in _TYPES:
        response.headers["Content-Type"] = _TYPES[target.suffix]
    if _HASHED.fullmatch(target.relative_to(site).as_posix()):
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    else:
        response.headers["Cache-Control"] = "no-cache"
    return response


def _plain(status: int, text: str) -> Response:
    page = (
        '<!doctype html><html lang="zh-CN"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{text}</title><h1>{text}</h1>\n"
    )
    return Response(page, status, content_type="text/html; charset=utf-8")
