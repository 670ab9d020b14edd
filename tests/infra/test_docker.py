"""The container images ship compiled kernels that are found again, and run, on other machines than their builder's."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from llvmlite.binding import get_host_cpu_features

DOCKER = Path(__file__).parent.parent.parent / "infra/docker"
IMAGES = ("Dockerfile", "Dockerfile.cuda")
HADOLINT = Path(sys.executable).with_name("hadolint")
PROGRAM = """
import json, numpy as np
from tilepress.codecs.entropy import rans
from tilepress.codecs.kernels.cache import KernelCache
starts = np.zeros(9, np.uint16)
assert rans.put_bits(starts, starts.copy(), 0, 5, 3) == 1
print(json.dumps([KernelCache.compiled, KernelCache.loaded]))
"""


def settings(image: str) -> dict[str, str]:
    """The ENV of the image, arguments filled in."""
    text = (DOCKER / image).read_text()
    (features,) = re.findall(r"^ARG CPU_FEATURES=(\S+)$", text, re.MULTILINE)
    (block,) = re.findall(r"^ENV ((?:.*\\\n)*.*)$", text, re.MULTILINE)
    pairs = (item.split("=", 1) for item in block.replace("\\\n", " ").split())
    return {name: value.replace("${CPU_FEATURES}", features) for name, value in pairs}


def steps(image: str) -> list[str]:
    """Instructions of a Dockerfile, each on one line, without comments."""
    lines = [line for line in (DOCKER / image).read_text().splitlines() if not line.startswith("#")]
    return [re.sub(r"\s+", " ", step) for step in "\n".join(lines).replace("\\\n", " ").splitlines() if step]


@pytest.mark.parametrize("image", IMAGES)
def test_kernels_are_compiled_for_features_that_are_stated_before_and_after_they_are_built(image: str) -> None:
    text = (DOCKER / image).read_text()
    assert text.index("\nENV ") < text.index("tilepress warm") < text.index("\nUSER ")
    assert settings(image)["NUMBA_CPU_NAME"] == "generic"
    wanted = {name.removeprefix("+") for name in settings(image)["NUMBA_CPU_FEATURES"].split(",")}
    assert wanted <= set(get_host_cpu_features()), "features that LLVM does not know"
    assert "avx512f" not in wanted, "many machines lack it"


def test_what_the_image_compiles_is_loaded_under_the_same_settings_and_not_under_others(tmp_path) -> None:
    shipped = settings("Dockerfile") | {"TILEPRESS_KERNEL_CACHE": str(tmp_path), "PATH": os.environ["PATH"]}
    found = []
    for changes in ({}, {}, {"NUMBA_CPU_FEATURES": "+sse2"}):
        environment = os.environ | shipped | {"HOME": os.environ["HOME"]} | changes
        done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout))
    assert found == [[1, 0], [0, 1], [1, 0]]


@pytest.mark.parametrize("image", IMAGES)
def test_hadolint_finds_nothing_to_say(image: str) -> None:
    done = subprocess.run([HADOLINT, "--no-color", DOCKER / image], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_hadolint_is_not_asleep() -> None:
    careless = "FROM python\nRUN pip install tilepress\nUSER root\n"
    done = subprocess.run([HADOLINT, "--no-color", "-"], input=careless, capture_output=True, text=True)
    assert done.returncode == 1
    assert all(rule in done.stdout for rule in ("DL3006", "DL3002", "DL3013"))


@pytest.mark.parametrize("image", IMAGES)
def test_what_runs_is_nobody_and_what_builds_is_left_behind(image: str) -> None:
    final = steps(image)[[at for at, step in enumerate(steps(image)) if step.startswith("FROM ")][-1] :]
    assert final[0] == "FROM base", "no sources, no installer's cache"
    assert [step for step in final if step.startswith(("COPY", "ADD"))] == [
        "COPY --from=build /opt/tilepress /opt/tilepress"
    ]
    assert final[-3:] == ["USER 65534:65534", "WORKDIR /tmp", 'ENTRYPOINT ["tilepress"]']
    assert settings(image)["PATH"].split(":")[0] == "/opt/tilepress/bin", "KubeRay calls `ray` by its name"
    assert settings(image)["TILEPRESS_KERNEL_CACHE"].startswith("/opt/tilepress/"), "kernels come along"


@pytest.mark.parametrize("image", IMAGES)
def test_every_version_is_pinned(image: str) -> None:
    installs = [step for step in steps(image) if "pip install" in step]
    assert installs and all("-c infra/constraints.txt" in step for step in installs)
    pinned = (DOCKER.parent / "constraints.txt").read_text().lower().replace("_", "-")
    needed = ("torch", "ray", "aiohttp-cors", "opencensus", "prometheus-client", "virtualenv", "grpcio")
    assert all(f"\n{name}==" in pinned for name in needed)
    (torch,) = re.findall(r" torch==(\S+)", " ".join(installs))
    assert f"torch=={torch}" in pinned.splitlines()


def test_the_two_images_differ_in_the_networks_machine_alone() -> None:
    cpu, cuda = (steps(image) for image in IMAGES)
    assert [step.split()[0] for step in cpu] == [step.split()[0] for step in cuda]
    different = {step.split()[0] for step, other in zip(cpu, cuda, strict=True) if step != other}
    assert different == {"ENV", "RUN", "LABEL"}
    assert settings("Dockerfile.cuda").items() - settings("Dockerfile").items() == {
        ("NVIDIA_VISIBLE_DEVICES", "all"),
        ("NVIDIA_DRIVER_CAPABILITIES", "compute,utility"),
    }
    ignored = [(DOCKER / f"{image}.dockerignore").read_text() for image in IMAGES]
    assert ignored[0] == ignored[1]
