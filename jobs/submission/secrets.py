"""What looks like a secret: a job file holds none, only references to where each one is."""

from __future__ import annotations

import math
import re
from collections import Counter

from tilepress.pipeline.storage.data_urls import PASSWORD

_NAME = re.compile(r"(?i)secret|passw|passphrase|token|credential|private|api_?key|access_?key|_key$|_sas$|^sas$")
_VALUES = (
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),  # of AWS: the number of a key
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"),
    re.compile(PASSWORD),  # scheme://user:password@host
    re.compile(r"(?i)[?&;](?:[\w.-]*(?:signature|credential|token|secret|password)|sig)=\S"),  # signed URLs
    re.compile(r"\b(?:gh[pousr]_|github_pat_|glpat-|hf_|xox[abp]-|sk-)[A-Za-z0-9_-]{16,}"),  # tokens that say so
    re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\."),  # JSON web tokens
)
_RANDOM = re.compile(r"[A-Za-z0-9/+]{40}")  # as AWS makes its keys
_RANDOM_BITS = 4.3  # of a character; paths and words of that length have fewer


def is_secret_name(name: str) -> bool:
    """Tell whether a variable of that name would hold a secret."""
    return _NAME.search(name) is not None


def looks_secret(text: str) -> bool:
    """Tell whether a text has the form of a key, a token, or a URL with a password or signature."""
    return any(pattern.search(text) for pattern in _VALUES) or _is_random(text)


def _is_random(text: str) -> bool:
    if not _RANDOM.fullmatch(text):
        return False
    shares = [count / len(text) for count in Counter(text).values()]
    return -sum(share * math.log2(share) for share in shares) > _RANDOM_BITS
