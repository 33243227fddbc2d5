"""The gate's own pages (sign-in, sign-out, account), and the whole of it as one application."""

import hmac
import logging
import secrets
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import sqlalchemy as sa
from flask import Flask, Response, abort, jsonify, request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from dashboards.gate.accounts import Locked, Refused, Viewer, open_accounts
from dashboards.gate.files import Cookie, Files, Shelves
from dashboards.gate.history import Entry, entries, feed, local
from dashboards.gate.pages import HEADERS, TRANSPORT, plain
from dashboards.gate.passwords import Busy
from dashboards.gate.store import Store
from dashboards.look import style_sheet
from pipelines.settings import Settings
from pipelines.wording import LANGUAGES, Lang, translator

if TYPE_CHECKING:
    from dashboards.gate.oidc import Provider

HERE = Path(__file__).parent
STYLE = style_sheet().encode() + (HERE / "static" / "gate.css").read_bytes()
STYLE_NAME = f"style.{sha256(STYLE).hexdigest()[:12]}.css"
LANGUAGE_TAGS: dict[Lang, str] = {"zh": "zh-CN", "en": "en"}
LARGEST_FORM = 16 * 1024
DEVICE_DAYS = 180

log = logging.getLogger("eqm.gate")


class Gate:
    """The gate over a home: one WSGI application.

    `/` follows the release that `current` names, looked up anew at each request;
    `/r/<release>/` is the permanent address of one release; `/gate/` is the gate's own.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self.accounts, self.audit, self.store = open_accounts(settings, clock)
        self.shelves = Shelves(settings.home)
        self.clock = clock
        secure = settings.public_url.startswith("https:")
        self._extra = [TRANSPORT] if secure else []
        self.cookie = Cookie(secure)
        self.files = Files(
            self.shelves,
            self.accounts,
            self.audit,
            clock=clock,
            cookie=self.cookie,
            by_nginx=settings.sent_by == "nginx",
            extra=self._extra,
        )
        self._flask = _own_pages(self, settings, secure)
        self._answer: WSGIApplication = self._sorted
        if settings.trusted_proxies:
            count = settings.trusted_proxies
            self._answer = ProxyFix(self._sorted, x_for=count, x_proto=count, x_host=count)

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        return self._answer(environ, start)

    def _sorted(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        try:
            if path.startswith("/gate/") or path == "/gate":
                return self._flask(environ, start)
            return self.files(environ, start)
        except (sa.exc.SQLAlchemyError, OSError) as error:
            # By its kind alone: what a database says of a fault may quote what it was given.
            log.error("the gate's database or disk: %s", type(error).__name__)
            return self.files.plain(503, start)
        except Exception as error:
            # Where it arose, without its words, which may quote what somebody sent.
            trace = "".join(traceback.format_tb(error.__traceback__))
            log.error("a fault in the gate: %s\n%s", type(error).__name__, trace)
            return self.files.plain(500, start)

    def headers(self) -> Iterable[tuple[str, str]]:
        """What every answer carries."""
        return [*HEADERS.items(), *self._extra]

    def viewer(self) -> Viewer | None:
        """Who makes the request that Flask works on."""
        token = self.cookie.read(request.headers.get("Cookie", ""))
        return self.accounts.who(token) if token else None


def create_app(settings: Settings, clock: Callable[[], float] = time.time) -> Gate:
    """The gate over the home that the settings name."""
    return Gate(settings, clock)


def _own_pages(gate: Gate, settings: Settings, secure: bool) -> Flask:
    """What lies under `/gate/`."""
    app = Flask(__name__, static_folder=None)
    app.config |= {
        "PROVIDE_AUTOMATIC_OPTIONS": False,
        "MAX_CONTENT_LENGTH": LARGEST_FORM,
        "MAX_FORM_MEMORY_SIZE": LARGEST_FORM,
        # Flask's own session holds the few minutes of a sign-in at the city's provider.
        "SECRET_KEY": gate.store.seal("flask", ""),
        "SESSION_COOKIE_NAME": "eqm-provider",
        "SESSION_COOKIE_PATH": "/gate/provider",
        "SESSION_COOKIE_SECURE": secure,
        "SESSION_COOKIE_SAMESITE": "Lax",
    }
    app.url_map.strict_slashes = True
    forms = _Forms(gate.store, secure)
    provider = _provider(app, settings)

    def door(code: int = 200, said: str = "") -> Response:
        lang = _lang()
        words = translator(lang).gettext
        text = {
            "refused": words("Account or password is not right, or the account is shut."),
            "locked": words("Too many tries; please wait a quarter of an hour."),
            "busy": words("Many are signing in just now; please try again in a few seconds."),
            "provider": words("The city's own account was not let in. Please turn to the centre."),
            "away": words("The city's own sign-in does not answer; please try again later."),
            "link": words("This link was used already or is too old."),
        }
        response = _page(
            "sign_in.html",
            lang,
            title=words("Sign in"),
            said=text.get(said, ""),
            form=forms.token(None),
            provider="/gate/provider" if provider else "",
        )
        response.status_code = code
        if code in (429, 503):
            response.headers["Retry-After"] = "900" if code == 429 else "10"
        forms.remember(response)
        return response

    def let_in(token: str, there: str) -> Response:
        response = _to(there)
        response.headers.add("Set-Cookie", gate.cookie.given(token))
        response.headers.add("Set-Cookie", gate.cookie.mark(True))
        return response

    def wanted(token: str) -> str:
        """Where somebody wanted to go before the sign-in, if it is a page of theirs."""
        viewer = gate.accounts.who(token)
        path = request.args.get("next", "")
        if viewer and path.startswith("/") and gate.files.fits(viewer, path[1:]):
            return path
        return "/"

    @app.get("/gate/sign-in")
    def sign_in() -> Response:
        return door()

    @app.post("/gate/sign-in")
    def signed_in() -> Response:
        forms.check(None)
        name, password = request.form.get("name", ""), request.form.get("password", "")
        try:
            device = request.cookies.get(forms.device, "")
            token = gate.accounts.sign_in(name, password, request.remote_addr or "", device)
        except Locked:
            return door(429, "locked")
        except Refused:
            return door(401, "refused")
        except Busy:
            return door(503, "busy")
        old = gate.viewer()
        if old:
            gate.accounts.sign_out(old, request.remote_addr or "")
        response = let_in(token, wanted(token))
        forms.recognise(response, gate.accounts.device(name))
        return response

    @app.get("/gate/enter")
    def enter() -> Response:
        if request.method == "HEAD":
            # Whoever only looks at the link does not use it up.
            return door()
        try:
            # Not in the path, which servers write down.
            token = gate.accounts.enter(request.args.get("ticket", ""), request.remote_addr or "")
        except Refused:
            return door(401, "link")
        return let_in(token, "/")

    @app.get("/gate")
    def without_stroke() -> Response:
        return _to("/gate/")

    @app.get("/gate/")
    def account() -> Response:
        viewer = gate.viewer()
        if viewer is None:
            return _to("/gate/sign-in")
        return account_page(viewer)

    def account_page(viewer: Viewer, code: int = 200, said: str = "") -> Response:
        lang = _lang()
        words = translator(lang).gettext
        text = {
            "changed": words("The password was changed; other sessions have ended."),
            "refused": words("The password was not changed: the one so far is not right, or the "
                             "new one is too short."),
            "locked": words("Too many tries; please wait a quarter of an hour."),
            "busy": words("Many are signing in just now; please try again in a few seconds."),
        }  # fmt: skip
        level, _, unit = viewer.unit.partition(":")
        levels = {
            "city": words("The whole city"),
            "district": words("The district %(unit)s and its schools"),
            "school": words("The school %(unit)s"),
        }
        response = _page(
            "account.html",
            lang,
            title=words("Account"),
            said=text.get(said, ""),
            account=viewer.account,
            scope=levels[level] % {"unit": unit} if level != "city" else levels[level],
            front="/" if lang == "zh" else "/en/",
            form=forms.token(viewer),
            change="/gate/password?lang=" + lang,
            own_password=gate.accounts.has_password(viewer),
        )
        response.status_code = code
        return response

    def known(viewer: Viewer, lang: Lang) -> list[Entry]:
        """The releases that somebody may know of."""
        life, now = gate.shelves.life(), gate.clock()
        current, zone = gate.shelves.current(), settings.time_zone
        return entries(life, current, now, centre=viewer.of_centre, lang=lang, zone=zone)

    @app.get("/gate/releases")
    def releases() -> Response:
        viewer, lang = gate.viewer(), _lang()
        if viewer is None:
            return _to("/gate/sign-in")
        return _page(
            "releases.html",
            lang,
            title=translator(lang).gettext("Releases"),
            said="",
            entries=known(viewer, lang),
            feed=f"/gate/releases.atom?lang={lang}",
            front="/" if lang == "zh" else "/en/",
        )

    @app.get("/gate/releases.atom")
    def atom() -> Response:
        viewer, lang = gate.viewer(), _lang()
        if viewer is None:
            return _to("/gate/sign-in")
        address = settings.public_url or request.host_url.rstrip("/")
        text = feed(known(viewer, lang), address, lang)
        return Response(text, content_type="application/atom+xml; charset=utf-8")

    @app.get("/gate/standing/<release>")
    def standing(release: str) -> Response:
        """How a release stands, for its pages; of one that is not there, or not yet, nothing."""
        viewer, told = gate.viewer(), {"state": ""}
        now = gate.clock()
        shelves = gate.shelves
        if viewer and shelves.open_to(viewer, release, now) and shelves.shelf(release):
            found = shelves.life().standing(release, shelves.current(), now)
            told = asdict(found) | {"until": local(found.until, settings.time_zone)}
        response = jsonify(told)
        response.headers["Cache-Control"] = "private, max-age=60"
        return response

    @app.post("/gate/password")
    def password() -> Response:
        viewer = gate.viewer()
        if viewer is None:
            return _to("/gate/sign-in")
        forms.check(viewer)
        old, new = request.form.get("old", ""), request.form.get("new", "")
        address = request.remote_addr or ""
        try:
            done = gate.accounts.change_password(viewer, old, new, address)
        except Locked:
            return account_page(viewer, 429, "locked")
        except Busy:
            return account_page(viewer, 503, "busy")
        return account_page(viewer, *((200, "changed") if done else (401, "refused")))

    @app.post("/gate/sign-out")
    def sign_out() -> Response:
        viewer = gate.viewer()
        response = _to("/gate/sign-in")
        if viewer:
            forms.check(viewer)
            gate.accounts.sign_out(viewer, request.remote_addr or "")
        response.headers.add("Set-Cookie", gate.cookie.taken)
        response.headers.add("Set-Cookie", gate.cookie.mark(False))
        # A shared computer keeps no page that the next person could go back to.
        response.headers["Clear-Site-Data"] = '"cache"'
        return response

    @app.get(f"/gate/{STYLE_NAME}")
    def style() -> Response:
        response = Response(STYLE, content_type="text/css; charset=utf-8")
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response

    if provider:

        @app.get("/gate/provider")
        def to_provider() -> Response:
            try:
                return provider.leave()
            except Refused:
                return door(503, "away")

        @app.get("/gate/provider/back")
        def from_provider() -> Response:
            try:
                name, subject = provider.come_back()
                address = request.remote_addr or ""
                token = gate.accounts.sign_in_by_provider(name, subject, address)
            except Refused:
                return door(401, "provider")
            return let_in(token, "/")

    @app.errorhandler(HTTPException)
    def said(error: HTTPException) -> Response:
        page = plain(error.code or 400)
        return Response(page.body, page.status, dict(page.headers))

    # The rest is `Gate`'s to answer, in one place.
    app.config["PROPAGATE_EXCEPTIONS"] = True

    @app.after_request
    def guard(response: Response) -> Response:
        response.headers.update(dict(gate.headers()))
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return app


def _provider(app: Flask, settings: Settings) -> "Provider | None":
    """The city's own provider, where the settings name one."""
    if not settings.oidc_issuer:
        return None
    from dashboards.gate.oidc import Provider

    return Provider(app, settings)


class _Forms:
    """Forms that only our own pages can send: a hidden token bound to the browser's cookie."""

    def __init__(self, store: Store, secure: bool) -> None:
        self._store, self._secure = store, secure
        self._cookie = "__Host-eqm-form" if secure else "eqm-form"
        self.device = "__Host-eqm-device" if secure else "eqm-device"
        """Name of the cookie of a browser in which somebody signed in before."""

    def token(self, viewer: Viewer | None) -> str:
        """The token of a form, for a session or, before there is one, for this browser."""
        return self._store.seal("form", viewer.family if viewer else f"anonymous {self._own()}")

    def _own(self) -> str:
        """What this browser is known by before the sign-in; made anew where it has nothing."""
        given = request.cookies.get(self._cookie, "")
        own = given if len(given) == 32 and given.isalnum() else secrets.token_hex(16)
        request.environ.setdefault("eqm.form", own)
        return str(request.environ["eqm.form"])

    def remember(self, response: Response) -> None:
        """Let the browser keep what its forms are bound to."""
        response.set_cookie(
            self._cookie, self._own(), httponly=True, samesite="Strict", secure=self._secure
        )

    def recognise(self, response: Response, device: str) -> None:
        """Let the browser keep what it is known by at the next sign-in."""
        response.set_cookie(
            self.device, device, max_age=DEVICE_DAYS * 86400, httponly=True, samesite="Strict",
            secure=self._secure,
        )  # fmt: skip

    def check(self, viewer: Viewer | None) -> None:
        """Answers 403 unless the form came from a page of ours in this browser."""
        sent = request.form.get("form", "")
        site = request.headers.get("Sec-Fetch-Site", "same-origin")
        fits = hmac.compare_digest(sent.encode("utf-8", "replace"), self.token(viewer).encode())
        if not fits or site not in ("same-origin", "none"):
            abort(403)


def _to(there: str) -> Response:
    """Another address to go to; unlike Flask's own answer, without words that repeat it."""
    return Response("", 303, {"Location": there})


def _lang() -> Lang:
    asked = request.args.get("lang", "")
    return "en" if asked == "en" else "zh"


@cache
def _environment(lang: Lang) -> Environment:
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    made.install_gettext_translations(translator(lang), newstyle=True)  # type: ignore[attr-defined]
    return made


def _page(template: str, lang: Lang, **context: object) -> Response:
    """A page of the gate in one language, with the way to the other."""
    (other,) = (one for one in LANGUAGES if one != lang)
    text = (
        _environment(lang)
        .get_template(template)
        .render(
            **context,
            language=LANGUAGE_TAGS[lang],
            other=f"?lang={other}",
            other_language=LANGUAGE_TAGS[other],
            style=f"/gate/{STYLE_NAME}",
        )
    )
    return Response(text, content_type="text/html; charset=utf-8")
