"""The container images ship compiled kernels, and run as nobody."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCKER = Path(__file__).parent.parent.parent / "infra/docker"
IMAGES = ("Dockerfile", "Dockerfile.cuda")
HADOLINT = Path(sys.executable).with_name("hadolint")


def settings(image: str) -> dict[str, str]:
    """The ENV of the image."""
    text = (DOCKER / image).read_text()
    (block,) = re.findall(r"^ENV ((?:.*\\\n)*.*)$", text, re.MULTILINE)
    pairs = (item.split("=", 1) for item in block.replace("\\\n", " ").split())
    return dict(pairs)


def steps(image: str) -> list[str]:
    """Instructions of a Dockerfile, each on one line, without comments."""
    lines = [line for line in (DOCKER / image).read_text().splitlines() if not line.startswith("#")]
    return [re.sub(r"\s+", " ", step) for step in "\n".join(lines).replace("\\\n", " ").splitlines() if step]


@pytest.mark.parametrize("image", IMAGES)
def test_kernels_are_compiled_into_the_package_for_a_level_that_is_stated_when_it_is_built_and_when_it_runs(
    image,
) -> None:
    """That what is in the package is found is a matter of tests/codecs/kernels/test_pack.py."""
    text = (DOCKER / image).read_text()
    assert text.index("\nENV ") < text.index("tilepress warm --pack") < text.index("\nUSER ")
    assert settings(image)["TILEPRESS_KERNEL_LEVEL"] == "${KERNEL_LEVEL}"
    assert "\nARG KERNEL_LEVEL=\n" in text, "an empty level is the usual one of the machine"


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
