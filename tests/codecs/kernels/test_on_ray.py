"""Workers of a Ray cluster that need the same kernels at the same time compile each signature once a machine."""

from __future__ import annotations

from pathlib import Path

import pytest

WORKERS = 4


def decode(number: int) -> int:
    """Decode a stream, and return how many signatures this process compiled for it."""
    import numpy as np

    from tilepress.codecs.entropy import rans
    from tilepress.codecs.kernels.cache import KernelCache

    tables = rans.Tables.from_cdf(rans.frequencies(np.ones((2, 8), np.int64)))
    values, which = np.full(5, number), np.zeros(5, np.int64)
    assert (rans.decode(rans.encode(values, which, tables), which, tables) == number).all()
    return KernelCache.compiled


@pytest.mark.slow
def test_four_workers_compile_every_signature_once(ray_cluster, tmp_path: Path) -> None:
    """New processes, since none has these variables, with an empty folder that all of them share."""
    here = {"env_vars": {"TILEPRESS_KERNEL_CACHE": str(tmp_path), "TILEPRESS_KERNEL_LEVEL": "native"}}
    task = ray_cluster.remote(decode).options(num_cpus=1, runtime_env=here)
    compiled = ray_cluster.get([task.remote(number) for number in range(WORKERS)])
    signatures = len(list(tmp_path.rglob("*.nbi")))
    assert sum(compiled) == signatures > 0
