"""Shell patterns over relative names, for --include, --exclude and glob sources.

| in a pattern | matches |
|---|---|
| `*` `?` `[a-z]` `[!a-z]` | any run, one, one of these, none of these characters; never '/' (dots too) |
| `**/` at a part's start | any number of folders, none included |
| `/**` at the end | everything below |
| no '/' in the pattern | the last part of the name, in any folder: `*.png` |
| '/' at the end | everything below folders of that name: `raw/` |
| any other '/' | the whole name from the root: `2020/*/*.tif`, `/top.png` |
| no special character | that name, and everything below folders of that name: `raw`, `2020/raw` |
| `(?i)` in front | upper and lower case alike: `(?i)*.jpg` |

Otherwise upper and lower case differ. To match one of the special characters itself, write it in brackets: `[[]1].png`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from tilepress.pipeline.errors import UsageError

MAGIC = re.compile(r"[*?[]")
CASE = "; upper and lower case differ, unless a pattern begins with (?i)"
_ANY_CASE = "(?i)"
_TOKEN = re.compile(
    r"(?P<folders>(?:(?<=/)|^)\*\*/)|(?P<below>(?:(?<=/)|^)\*\*$)|(?P<set>\[!?+\]?+[^\]/]*\])|\*+|\?|.", re.S
)
_WORD = re.compile(r"\{\w*\}")
_TOKEN_OR_WORD = re.compile(f"{_WORD.pattern}|{_TOKEN.pattern}", re.S)
_FOLDERS, _STAR, _NAMED = "(?:[^/]+/)*", "[^/]*", "([^/]+)"


class Selection:
    """Which names are wanted: those that an include pattern (or there is none) and no exclude pattern matches."""

    def __init__(self, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        if isinstance(include, str) or isinstance(exclude, str):
            raise UsageError("include and exclude are lists of patterns, not one text")
        self._include = [compile_glob(pattern) for pattern in include]
        self._exclude = [compile_glob(pattern) for pattern in exclude]
        self._excluded_folders = [
            compile_glob(pattern.removesuffix("/**").rstrip("/"), anchored=pattern.endswith("/**"))
            for pattern in exclude
            if pattern.endswith(("/", "/**")) or not MAGIC.search(pattern)
        ]

    def __contains__(self, name: str) -> bool:
        if any(pattern.fullmatch(name) for pattern in self._exclude):
            return False
        return not self._include or any(pattern.fullmatch(name) for pattern in self._include)

    def enters(self, folder: str) -> bool:
        """Tell whether a name below `folder` ("a/b/") may be wanted: False where a pattern excludes all of them."""
        return not any(pattern.fullmatch(folder.rstrip("/")) for pattern in self._excluded_folders)


def compile_glob(pattern: str, anchored: bool = False) -> re.Pattern[str]:
    """Return a regular expression for `fullmatch`. `anchored`: from the root even without a '/'. UsageError."""
    pattern, flags = _flags(pattern)
    inner = pattern.rstrip("/")
    if not anchored and "/" not in inner:
        inner = f"**/{inner}"
    if pattern.endswith("/"):
        inner += "/**"
    expression = _expression(list(_TOKEN.finditer(inner.removeprefix("/"))))
    if not MAGIC.search(pattern) and not pattern.endswith("/"):
        expression += "(?:/.*)?"
    return _compiled(pattern, expression, flags)


def compile_grouping(pattern: str) -> re.Pattern[str]:
    """Return a regular expression for `fullmatch` whose groups name the one that a name belongs to. UsageError.

    `{word}` matches like `*`, but one character at least, and is a group. Of a pattern without any, the group is the
    name itself, or with a '/' at the end, or without special characters, the folder that the pattern names: of several
    of these, the first from the root.
    """
    pattern, flags = _flags(pattern)
    inner = pattern.rstrip("/")
    if "/" not in inner:
        inner = f"**/{inner}"
    expression = _expression(list(_TOKEN_OR_WORD.finditer(inner.removeprefix("/"))), _lazily(_FOLDERS))
    words = _WORD.search(pattern)
    named = expression if words else f"({expression})"
    if pattern.endswith("/"):
        return _compiled(pattern, f"{named}/.+", flags)
    return _compiled(pattern, named if words or MAGIC.search(pattern) else f"{named}(?:/.*)?", flags)


def _compiled(pattern: str, expression: str, flags: re.RegexFlag) -> re.Pattern[str]:
    try:
        return re.compile(expression, re.S | flags)
    except re.error as exc:
        raise UsageError(f"the pattern {pattern!r} has a range of characters that runs backwards") from exc


def _flags(pattern: str) -> tuple[str, re.RegexFlag]:
    """The pattern without the mark for any case, and what the mark means."""
    plain = pattern.removeprefix(_ANY_CASE)
    return plain, re.RegexFlag(0) if plain == pattern else re.I


def literal_prefix(pattern: str) -> str:
    """Return the part of the pattern before its first special character."""
    magic = MAGIC.search(pattern)
    return pattern[: magic.start()] if magic else pattern


def _expression(tokens: list[re.Match[str]], folders: str = _FOLDERS) -> str:
    """The regular expression of a pattern; `folders`: that of its last `**/`.

    Of several `**/`, and of several `*` in one part of a name, all but the last take as little as they can and never
    look back, which finds all that looking back would: a hostile pattern must not take time that grows exponentially.
    """
    parts = [_folder_parts(group) for group in _split(tokens, lambda token: bool(token["folders"]))]
    return _followed([_FOLDERS] * (len(parts) - 2) + [folders], parts)


def _folder_parts(tokens: list[re.Match[str]]) -> str:
    groups = _split(tokens, lambda token: token[0] == "/")
    return "/".join(_one_part(group) for group in groups)


def _one_part(tokens: list[re.Match[str]]) -> str:
    groups = _split(tokens, _repeats)
    repeated = [_STAR if token[0].startswith("*") else _NAMED for token in tokens if _repeats(token)]
    return _followed(repeated, ["".join(map(_regex, group)) for group in groups])


def _repeats(token: re.Match[str]) -> bool:
    """Whether a token is a `*` or a `{word}`; a "{" alone is none."""
    return (token[0].startswith("*") and not token["below"]) or (token[0].startswith("{") and len(token[0]) > 1)


def _split(tokens: list[re.Match[str]], at: Callable[[re.Match[str]], bool]) -> list[list[re.Match[str]]]:
    """What lies before, between and behind the tokens that are told."""
    groups: list[list[re.Match[str]]] = [[]]
    for token in tokens:
        if at(token):
            groups.append([])
        else:
            groups[-1].append(token)
    return groups


def _followed(repeated: list[str], pieces: list[str]) -> str:
    """The first piece, and each other one behind its repetition."""
    first, *others = pieces
    if not others:
        return first
    pairs = list(zip(repeated, others, strict=True))
    without_looking_back = "".join(f"(?>{_lazily(each)}{piece})" for each, piece in pairs[:-1])
    return f"{first}{without_looking_back}{''.join(pairs[-1])}"


def _lazily(repeated: str) -> str:
    """The repetition that takes as little as it can."""
    return f"{repeated[:-1]}?)" if repeated == _NAMED else f"{repeated}?"


def _regex(token: re.Match[str]) -> str:
    text = token[0]
    if token["below"]:
        return ".+"
    if token["set"]:
        negated = text[1] == "!"
        inside = re.sub(r"([\\\[&~|^])", r"\\\1", text[2:-1] if negated else text[1:-1])
        inside = inside.replace("--", r"\-\-")  # would be a set difference to some future version of re
        if inside.startswith("]"):
            inside = "\\" + inside
        return f"(?!/)[{'^' if negated else ''}{inside}]"
    return "[^/]" if text == "?" else re.escape(text)
