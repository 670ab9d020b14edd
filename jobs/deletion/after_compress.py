"""What `compress --delete-source after-certificate` says: which originals may go, by which command. Nothing goes."""

from __future__ import annotations

import shlex

from tilepress.jobs.archives.compress import CompressConfig, CompressReport
from tilepress.jobs.certification.certificate import IN_ARCHIVE
from tilepress.jobs.certification.place import names
from tilepress.jobs.deletion.delete_source import DeleteSourceConfig, run_delete_source
from tilepress.pipeline.errors import UsageError
from tilepress.pipeline.storage.base import open_storage


def say_what_may_go(config: CompressConfig, report: CompressReport) -> None:
    """Add to the report of `compress` what the newest certificate in its archive lets go; a note where there is none.

    IntegrityError where certificate or archive is damaged.
    """
    storage = open_storage(config.archive, config.storage_options)
    reasons = list[str]()
    for name in reversed(names(storage)):
        place = f"{storage.url}/{IN_ARCHIVE}{name}"
        try:
            asked = DeleteSourceConfig(
                *(config.archive, config.source, place),
                include=config.include,
                exclude=config.exclude,
                storage_options=config.storage_options,
            )
            report.deletable = run_delete_source(asked)
        except UsageError as exc:  # too old, of other runs, unfinished
            reasons.append(str(exc))
            continue
        chosen = [f"--{key}={text}" for key in ("include", "exclude") for text in getattr(config, key)]
        words = ["delete-source", config.archive, "--source", config.source, "--certificate", place, *chosen, "--yes"]
        report.notes.append(f"originals are removed by: tilepress {shlex.join(words)}")
        return
    why = f" ({reasons[0]})" if reasons else ""
    report.notes.append(
        f"no original may go yet: no certificate of these runs lies in the archive{why}. `tilepress certify "
        f"{config.archive}`, best on another machine, then this command again"
    )
