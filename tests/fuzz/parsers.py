"""Every parser of bytes from elsewhere that is fuzzed, by its name: a module a layer."""

from __future__ import annotations

from tests.fuzz import archives, codecs, jobs, pictures
from tests.fuzz.parser import Parser

PARSERS: dict[str, Parser] = {**pictures.PARSERS, **codecs.PARSERS, **archives.PARSERS, **jobs.PARSERS}
