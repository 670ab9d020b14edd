"""The error tree of the codec layer.

CodecError
├── StreamError        bytes that are not a valid stream of this codec
├── ModelError         a model folder that is damaged, unknown or not exact
├── UnsupportedError   a picture or setting that this codec cannot represent
└── UnknownCodecError  no codec or model of that name
"""


class CodecError(Exception):
    """Base of every error that the codec layer raises on purpose."""


class StreamError(CodecError):
    """The bytes are damaged, truncated or not of this codec; the only error that hostile bytes may cause."""


class ModelError(CodecError):
    """A model folder is damaged, of another version, or its networks are not provably exact."""


class UnsupportedError(CodecError):
    """The codec cannot represent this picture, or a setting does not apply to it."""


class UnknownCodecError(CodecError):
    """There is no codec or shipped model of that name."""
