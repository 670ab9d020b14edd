"""Everything that tilepress raises on purpose, below one root: `tilepress.errors.TilepressError`.

`exit_code` of an error is what the command line ends with. pipeline/errors.py and codecs/errors.py draw the tree.
"""

from tilepress.codecs.errors import (
    CodecError,
    MissingExtra,
    MissingPackage,
    ModelError,
    StreamError,
    TilepressError,
    UnknownCodecError,
    UnsupportedError,
)
from tilepress.pipeline.errors import (
    ActorLostError,
    AlreadyExists,
    ChangedError,
    DamagedPicture,
    EngineError,
    InfrastructureError,
    IntegrityError,
    InTheWay,
    LimitExceeded,
    MissingError,
    PictureError,
    ResumeError,
    StorageError,
    TransientStorageError,
    UnsafeName,
    UnsupportedPicture,
    UnusableName,
    UsageError,
)

__all__ = [
    "ActorLostError",
    "AlreadyExists",
    "ChangedError",
    "CodecError",
    "DamagedPicture",
    "EngineError",
    "InTheWay",
    "InfrastructureError",
    "IntegrityError",
    "LimitExceeded",
    "MissingError",
    "MissingExtra",
    "MissingPackage",
    "ModelError",
    "PictureError",
    "ResumeError",
    "StorageError",
    "StreamError",
    "TilepressError",
    "TransientStorageError",
    "UnknownCodecError",
    "UnsafeName",
    "UnsupportedError",
    "UnsupportedPicture",
    "UnusableName",
    "UsageError",
]
