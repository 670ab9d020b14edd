"""The error tree of the pipeline layer, and the exit code that each branch means; the root is in codecs/errors.py.

TilepressError                    1
├── UsageError                    2   what was asked cannot be done as asked
│   └── ResumeError               2   an unfinished run was begun with other settings
├── PictureError                      one file cannot be stored by its pixels: it is stored verbatim
│   ├── UnsupportedPicture            not an image, or a kind that no codec represents
│   ├── LimitExceeded                 larger than the limits allow
│   ├── DamagedPicture                an image file that does not decode
│   ├── CrashingPicture               decoding it crashed the process that did, or took too long
│   └── NotSmaller                    nothing made it smaller than the file
├── IntegrityError                4   an archive that is damaged; never answered with wrong pixels
└── InfrastructureError           5   storage or cluster; trying again later may help
    ├── StorageError              5
    │   ├── TransientStorageError 5   throttling, time-outs, broken connections: retried
    │   ├── MissingError              no such object
    │   ├── AlreadyExists             create-only refused: something is there
    │   ├── ChangedError              no longer the object that was listed
    │   ├── InTheWay              2   a file stands where a folder is needed, or a folder where a file is
    │   ├── UnusableName          2   a name that this storage does not take, such as one that is too long
    │   └── UnsafeName            4   a name that would leave the folder or bucket prefix
    └── EngineError               5
        └── ActorLostError            the process that runs the networks died: another one is started
"""

from tilepress.codecs.errors import TilepressError

__all__ = ["TilepressError"]


class UsageError(TilepressError):
    """What was asked cannot be done as asked; the message says what to change."""

    exit_code = 2


class ResumeError(UsageError):
    """The archive holds an unfinished run with other settings."""


class PictureError(TilepressError):
    """A file that cannot be stored by its pixels. `code` is stored in the archive; the message is the reason."""

    code = "unsupported"


class UnsupportedPicture(PictureError):
    """Not an image, or a kind of image that no codec represents."""


class LimitExceeded(PictureError):
    """The image is larger than the limits allow; found before decoding it."""

    code = "limit"


class DamagedPicture(PictureError):
    """An image file that does not decode completely."""

    code = "damaged"


class CrashingPicture(PictureError):
    """Decoding the file crashed the process that did it, or took too long: nothing else was harmed."""

    code = "untrusted"


class NotSmaller(PictureError):
    """Nothing that could hold the image is smaller than its file."""

    code = "incompressible"


class IntegrityError(TilepressError):
    """Stored bytes are not what was written."""

    exit_code = 4


class InfrastructureError(TilepressError):
    """Storage or cluster failed; the same command may succeed later and resumes."""

    exit_code = 5


class StorageError(InfrastructureError):
    """A file system or object store refused or failed."""


class TransientStorageError(StorageError):
    """Worth retrying: throttling, time-outs, broken connections."""


class MissingError(StorageError):
    """There is no such object."""


class AlreadyExists(StorageError):
    """Create-only refused: an object of that name is there."""


class ChangedError(StorageError):
    """The object is not, or no longer, the one that was listed: it changed under way."""


class InTheWay(StorageError):
    """A file stands where a folder is needed, or a folder where a file is."""

    exit_code = 2


class UnusableName(StorageError):
    """A name that the storage does not take, such as one that is too long for the file system."""

    exit_code = 2


class UnsafeName(StorageError):
    """A name that would leave the folder or bucket prefix: absolute, `..`, NUL, or through a symbolic link."""

    exit_code = 4


class EngineError(InfrastructureError):
    """Workers or the cluster failed more often than retries allow."""


class ActorLostError(EngineError):
    """The process that held the networks died under a shard, more often than it was restarted."""
