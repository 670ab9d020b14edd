"""Sections with images as HTML. Each image asks a Room whether the page still has place for it."""

from __future__ import annotations

from collections.abc import Sequence

from tilepress.jobs.pages.blocks import SIGNS, command
from tilepress.jobs.pages.budget import Room
from tilepress.jobs.pages.markup import Markup, clipped, element, safe_link
from tilepress.jobs.pages.picture_sections import Compared, Comparison, Finding, Findings, Gallery, Thumb
from tilepress.jobs.pages.pictures import Picture

_PIXELATED = 64  # pixels: smaller images are shown enlarged, and their pixels stay sharp


def gallery(section: Gallery, room: Room) -> Markup:
    """Return thumbnails in a grid."""
    if not section.thumbs:
        return element("p", "There are none.", class_="empty")
    return _grid(section.thumbs, room, "images")


def _grid(thumbs: Sequence[Thumb], room: Room, what: str) -> Markup:
    there = [thumb for thumb in thumbs if room.has(thumb)]
    return element("div", element("ul", *map(_thumb, there), class_="thumbs"), _left_out(thumbs, there, what))


def _left_out(given: Sequence[object], there: Sequence[object], what: str) -> Markup:
    if len(given) == len(there):
        return Markup()
    text = f"{len(given) - len(there):,} more {what} were left out, so that the page stays small."
    return element("p", text, class_="note more")


def _thumb(thumb: Thumb) -> Markup:
    link = safe_link(thumb.link)
    picture = _image(thumb.picture, thumb.caption)
    badge = element("span", SIGNS[thumb.tone], clipped(thumb.badge, 40), class_="badge") if thumb.badge else ""
    caption = element("span", clipped(thumb.caption, 120), class_="name", title=clipped(thumb.caption, 1000))
    text = element("figcaption", caption, element("span", clipped(thumb.note), class_="note") if thumb.note else "")
    figure = element("figure", element("div", picture, badge, class_="frame"), text)
    inside = element("a", figure, href=link, rel="noreferrer") if link else figure
    return element("li", inside, class_=thumb.tone or None)


def _image(picture: Picture, name: str, what: str = "", *, lazy: bool = True) -> Markup:
    small = max(picture.width, picture.height) <= _PIXELATED
    return element(
        "img",
        src=Markup(picture.uri),
        width=picture.width,
        height=picture.height,
        alt=f"{what} {clipped(name, 120)}".strip(),
        class_=" ".join(filter(None, ("pixels" if small else "", what))) or None,
        loading="lazy" if lazy else None,
        decoding="async",
    )


def findings(section: Findings, room: Room) -> Markup:
    """Return findings one below the other, each with its examples."""
    if not section.findings:
        return element("p", section.nothing, class_="empty")
    return element("ol", *(_finding(each, room) for each in section.findings), class_="findings")


def _finding(finding: Finding, room: Room) -> Markup:
    count = element("span", f"{finding.count:,}", class_="count") if finding.count is not None else ""
    return element(
        "li",
        element("h3", element("span", SIGNS[finding.tone], class_="sign"), clipped(finding.title), count),
        element("p", clipped(finding.text, 2000)) if finding.text else "",
        _grid(finding.thumbs, room, "examples") if finding.thumbs else "",
        element("p", command(finding.command), class_="by") if finding.command else "",
        class_=finding.tone or None,
    )


def comparison(section: Comparison, room: Room) -> Markup:
    """Return pairs of images side by side; `static/compare.js` makes a viewer of them."""
    if not section.images:
        return element("p", "There are none.", class_="empty")
    there = [each for each in section.images if room.has(each)]
    left_out = _left_out(section.images, there, "images")
    return element("div", element("div", *map(_pair, there), class_="compare"), left_out)


def _pair(image: Compared) -> Markup:
    facts = (element("div", element("dt", name), element("dd", clipped(text))) for name, text in image.facts)
    badge = element("span", clipped(image.badge, 40), class_="badge") if image.badge else ""
    return element(
        "figure",
        element("figcaption", element("span", clipped(image.name), class_="name"), badge),
        element(
            "div",
            _image(image.original, image.name, "original", lazy=False),
            _image(image.decoded, image.name, "decoded", lazy=False),
            class_="sides",
        ),
        element("dl", *facts, class_="facts") if image.facts else "",
        class_="pair",
    )
