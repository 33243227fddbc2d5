"""The few answers that the gate makes itself: short, the same for everybody, nothing reflected."""

from dataclasses import dataclass
from functools import cache

from pipelines.wording import bilingual

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
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "X-Frame-Options": "DENY",
}
TRANSPORT = ("Strict-Transport-Security", "max-age=31536000")
"""Beside those where the gate is reached by https."""


@dataclass(frozen=True)
class Plain:
    """A page of one sentence."""

    status: str
    body: bytes
    headers: tuple[tuple[str, str], ...]


@cache
def plain(code: int) -> Plain:
    """The page of a status, in both languages."""
    # In full in each place, so that the catalogue's test finds them.
    said = {
        400: bilingual("This request can't be read"),
        403: bilingual("This form is not valid any more; please open the page again"),
        404: bilingual("Page not found"),
        405: bilingual("Read only"),
        413: bilingual("This request is too large"),
        416: bilingual("There is no such part of the file"),
        429: bilingual("Too many tries; please wait a quarter of an hour"),
        500: bilingual("Something went wrong here; it was written down"),
        503: bilingual("Not ready yet; please try again in a little while"),
    }
    reasons = {
        400: "Bad Request", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
        413: "Content Too Large", 416: "Range Not Satisfiable", 429: "Too Many Requests",
        500: "Internal Server Error", 503: "Service Unavailable",
    }  # fmt: skip
    code = code if code in said else 400
    text = said[code]
    page = (
        '<!doctype html><html lang="zh-CN"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{text}</title><h1>{text}</h1>\n"
    )
    headers = {"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store"}
    if code == 405:
        headers["Allow"] = "GET, HEAD"
    if code in (429, 503):
        headers["Retry-After"] = "900" if code == 429 else "10"
    return Plain(f"{code} {reasons[code]}", page.encode(), tuple(headers.items()))
