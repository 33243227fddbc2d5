"""What became of the releases, as the gate tells it: on its page and as a feed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from gettext import NullTranslations
from typing import Any
from xml.etree import ElementTree as Xml
from zoneinfo import ZoneInfo

from pipelines.life import Life, Standing
from pipelines.wording import Lang, count, translator

_ATOM = "http://www.w3.org/2005/Atom"


@dataclass(frozen=True)
class Entry:
    """A release in the list of releases, in one language."""

    release: str
    at: str
    """When it was published, ISO time, UTC."""
    when: str
    """The same in the city's time."""
    state: str
    """As a word."""
    said: tuple[str, ...]
    """Why it was made, what of its sources is another, how many figures are."""


def entries(
    life: Life, current: str, now: float, *, centre: bool, lang: Lang, zone: str
) -> list[Entry]:
    """The publications that somebody may know of, the newest first.

    Args:
        life: what became of the releases.
        current: name of the release that is served to the centre.
        now: seconds since 1970.
        centre: whether it is somebody of the city, who also reads how many figures are others.
        lang: the language.
        zone: the city's time zone.
    """
    words = translator(lang)
    return [
        Entry(
            event.release,
            event.at,
            local(event.at, zone),
            state_name(life.standing(event.release, current, now), words, zone),
            tuple(_said(life, event.release, event.causes, event.changed if centre else {}, lang)),
        )
        for event in life.publications()
        if centre or life.seen(event.release, now)
    ]


def state_name(standing: Standing, words: NullTranslations, zone: str) -> str:
    """How a release stands, as a word, with the end of its embargo."""
    _ = words.gettext
    if standing.state == "embargoed":
        return _("embargoed until %(until)s") % {"until": local(standing.until, zone)}
    return {
        "prepared": _("prepared"),
        "published": _("published"),
        "superseded": _("superseded"),
        "corrected": _("corrected"),
    }[standing.state]


def local(moment: str, zone: str) -> str:
    """An ISO time as the city's clocks show it; a day stays a day."""
    if not moment:
        return ""
    at = datetime.fromisoformat(moment)
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}" if at.tzinfo else moment


def feed(found: list[Entry], address: str, lang: Lang) -> bytes:
    """The list as an Atom feed (RFC 4287).

    Args:
        found: the entries.
        address: where the gate is, without a last stroke.
        lang: the language.
    """
    words = translator(lang)
    root = Xml.Element(f"{{{_ATOM}}}feed", {"{http://www.w3.org/XML/1998/namespace}lang": lang})
    Xml.register_namespace("", _ATOM)

    def add(to: Xml.Element, name: str, text: str = "", **given: str) -> Xml.Element:
        made = Xml.SubElement(to, f"{{{_ATOM}}}{name}", given)
        made.text = text or None
        return made

    add(root, "id", f"{address}/gate/releases.atom")
    add(root, "title", words.gettext("Releases of the education quality monitoring"))
    add(root, "updated", _dated(found[0].at) if found else "1970-01-01T00:00:00+00:00")
    add(add(root, "author"), "name", words.gettext("Education quality monitoring"))
    add(root, "link", rel="self", href=f"{address}/gate/releases.atom")
    for one in found:
        entry = add(root, "entry")
        add(entry, "id", f"{address}/r/{one.release}/")
        add(entry, "title", f"{one.release} · {one.state}")
        add(entry, "updated", _dated(one.at))
        add(entry, "link", href=f"{address}/r/{one.release}/")
        add(entry, "content", "\n".join(one.said) or one.state, type="text")
    return Xml.tostring(root, encoding="utf-8", xml_declaration=True)


def _dated(moment: str) -> str:
    """A moment as a feed wants it: a day begins at midnight, UTC."""
    return moment if "T" in moment else f"{moment}T00:00:00+00:00"


def _said(
    life: Life,
    release: str,
    causes: Mapping[str, Any],
    changed: Mapping[str, int],
    lang: Lang,
) -> list[str]:
    _, stop = translator(lang).gettext, "；" if lang == "zh" else "; "
    said = [life.note(release)] if life.note(release) else []
    parts = [
        text % {"n": count(causes[name], lang)}
        for name, text in (
            ("files_new", _("%(n)s files new")),
            ("files_changed", _("%(n)s files corrected")),
            ("files_gone", _("%(n)s files withdrawn")),
        )
        if causes.get(name)
    ]
    if causes.get("settings"):
        parts.append(_("settings: %(names)s") % {"names": ", ".join(causes["settings"])})
    if causes.get("code"):
        parts.append(_("another version of the platform"))
    if parts:
        said.append(_("Against the release before: %(parts)s") % {"parts": stop.join(parts)})
    if changed:
        tables = stop.join(f"{name} {count(n, lang)}" for name, n in changed.items())
        said.append(_("Figures that are others, by table: %(tables)s") % {"tables": tables})
    return said
