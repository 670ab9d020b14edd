"""The folder that an audit fills: what was asked, rows by task, and what is made of them.

audit.json            what was asked, of which images, by which version; created once, never changed
parts/00000.parquet   rows of one task, create-only
findings.parquet      a row for each thing that was found of an image
groups.parquet        figures by folder, camera, and what else was asked for
images.parquet        a row for each image; the last of the tables
summary.md            all of it as a text; as the next, written again where limits or drift say something else
report.html           one page of it all, with examples and the worst places
"""

from __future__ import annotations

from tilepress.jobs.audit.rows import IMAGE_SCHEMA
from tilepress.jobs.task_folder import TaskFolder

IMAGES, FINDINGS, GROUPS = "images.parquet", "findings.parquet", "groups.parquet"
AUDIT = TaskFolder("audit", "tilepress-audit-2", IMAGE_SCHEMA, IMAGES)
SUMMARY, PAGE = "summary.md", "report.html"
