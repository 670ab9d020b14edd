"""The root of every error of tilepress, and the branches that the codec layer raises; with exit codes.

TilepressError             1
├── MissingPackage         5   what was stored needs a package, or a later tilepress, that is not installed
│   └── MissingExtra       5   an extra of tilepress, which only some codecs and verbs need
├── CodecError             1
│   ├── StreamError        bytes that are not a valid stream of this codec
│   ├── ModelError         a model folder that is damaged, unknown or not exact
│   ├── UnsupportedError   a picture or setting that this codec cannot represent
│   │   └── TooLarge       it could, with more memory than tilepress lets it take
│   └── UnknownCodecError  no codec, origin or model of that name
└── (pipeline/errors.py)   what goes wrong with files, archives, storage and clusters
"""


class TilepressError(Exception):
    """Base of every error that tilepress raises on purpose; `exit_code` is what the command line ends with."""

    exit_code = 1


class MissingPackage(TilepressError):
    """A codec that an archive names is not installed: no damage; the message names the package where it is known."""

    exit_code = 5


class MissingExtra(MissingPackage):
    """A package that this codec or verb needs is not installed; the message names the extra that brings it."""


class CodecError(TilepressError):
    """Base of every error that the codec layer raises on purpose."""


class StreamError(CodecError):
    """The bytes are damaged, truncated or not of this codec; the only error that hostile bytes may cause."""


class ModelError(CodecError):
    """A model folder is damaged, of another version, or its networks are not provably exact."""


class UnsupportedError(CodecError):
    """The codec cannot represent this picture, or a setting does not apply to it."""


class TooLarge(UnsupportedError):
    """The codec could represent this picture, with more memory than it may take."""


class UnknownCodecError(CodecError):
    """There is no codec, origin or shipped model of that name."""
