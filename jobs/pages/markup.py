"""HTML built of values: what is not Markup already is escaped, and characters that nobody sees are spelled."""

from __future__ import annotations

import html
import re

# Controls, line separators, directions (a name must not turn the text around), byte order marks, lone surrogates.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)
_VOID = frozenset({"img", "input", "meta", "line", "rect", "circle", "path"})
_LINK = re.compile(r"(?:https?://|#|\./|\.\./|[\w%-][\w.%-]*(?:/|$))[^\s]*", re.ASCII)
LONGEST = 300  # characters of a text that the page shows: a path may have 4096


class Markup(str):
    """A text that is HTML already, and trusted."""

    __slots__ = ()


def visible(text: str) -> str:
    """Return a text in which characters that cannot be seen, or encoded, are spelled: `\\x1b`, `\\u202e`."""
    return _UNSEEN.sub(_spelled, text)


def _spelled(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}"


def clipped(text: str, most: int = LONGEST) -> str:
    """Return a text of at most `most` characters: its beginning and its end, if it is longer."""
    return text if len(text) <= most else f"{text[: most // 2 - 1]}…{text[-(most // 2) :]}"


def escaped(text: str) -> Markup:
    """Return a text as HTML, for content and for attributes in quotes."""
    return text if isinstance(text, Markup) else Markup(html.escape(visible(text)))


def element(tag: str, *content: str, **attributes: object) -> Markup:
    """Return an element.

    Args:
        tag: Its name; like the names of attributes it comes from code, never from data.
        content: Texts and Markup.
        attributes: `class_` is class, `data_v` data-v. None and False leave one out, True gives it no value.
    """
    written = "".join(_attribute(name, value) for name, value in attributes.items())
    if tag in _VOID:
        return Markup(f"<{tag}{written}{'>' if tag in ('img', 'input', 'meta') else '/>'}")
    return Markup(f"<{tag}{written}>{joined(*content)}</{tag}>")


def _attribute(name: str, value: object) -> str:
    if value is None or value is False:
        return ""
    name = name.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escaped(value if isinstance(value, str) else str(value))}"'


def joined(*content: str) -> Markup:
    """Return texts and Markup one after the other, as Markup."""
    return Markup("".join(map(escaped, content)))


def safe_link(link: str) -> str | None:
    """Return a link if it is relative or one of http and https, else None: `javascript:` and the like run code."""
    return link if _LINK.fullmatch(link) else None
