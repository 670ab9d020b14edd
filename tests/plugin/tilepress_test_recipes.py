"""A family of codecs that trains in a second: a linear autoencoder that decodes nothing, for tests of the trainer."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import imagecodecs
import numpy as np
import torch

from tilepress.codecs.codec import Settings, TileCodec, TileSpec
from tilepress.codecs.errors import StreamError
from tilepress.codecs.model import Model
from tilepress.jobs.recipes.networks.critic import Adversary, plain_critic
from tilepress.jobs.recipes.recipe import Loss, Recipe

SECONDS = "TILEPRESS_TEST_STEP_SECONDS"  # environment variable: what a step takes


class Tiny(TileCodec):
    """JPEG XL by another name; its model is only carried along."""

    codec_id, summary, exact, lossless = "test-tiny", "for tests of training", True, True
    needs_model: ClassVar[bool] = True

    def __init__(self, model: Model, device: str = "cpu") -> None:
        self.model = model

    def encode_tile(self, tile: np.ndarray, spec: TileSpec, settings: Settings) -> bytes:
        return bytes(imagecodecs.jpegxl_encode(np.squeeze(tile), lossless=True, effort=5))

    def decode_tile(self, data: bytes, spec: TileSpec) -> np.ndarray:
        try:
            return np.asarray(imagecodecs.jpegxl_decode(data)).reshape(spec.shape)
        except (imagecodecs.JpegxlError, ValueError) as exc:
            raise StreamError("not such a tile") from exc


class TinyNetwork(torch.nn.Module):
    """4 x 4 blocks through a few neurons."""

    def __init__(self, inputs: int, latents: int) -> None:
        super().__init__()
        self.analysis = torch.nn.Linear(inputs, latents)
        self.synthesis = torch.nn.Linear(latents, inputs)
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, blocks: torch.Tensor) -> torch.Tensor:
        latents = self.analysis(blocks)
        if self.training:
            latents = latents + 0.01 * torch.randn_like(latents)
        out: torch.Tensor = self.synthesis(latents)
        return out


class TinyRecipe(Recipe):
    defaults: ClassVar[Mapping[str, Any]] = {"latents": 2, "colour": "rgb", "fails": False, "game": ""}

    @property
    def channels(self) -> int:
        return 3 if self.model["colour"] == "rgb" else 1

    def build(self) -> torch.nn.Module:
        return TinyNetwork(16 * self.channels, self.model["latents"])

    def initialise(self, network: torch.nn.Module, crops: torch.Tensor) -> None:
        network.seen.fill_(len(crops))

    def adversary(self) -> Adversary | None:
        return Adversary(plain_critic(), self.model["game"], 0.1) if self.model["game"] else None

    def loss(self, network: torch.nn.Module, crops: torch.Tensor) -> Loss:
        time.sleep(float(os.environ.get(SECONDS, "0")))
        unit = crops.permute(0, 3, 1, 2).float() / 255
        blocks = torch.nn.functional.unfold(unit, 4, stride=4).transpose(1, 2).reshape(-1, 16 * self.channels)
        made = network(blocks)
        error = (made - blocks).square().mean()
        cells = made.reshape(len(unit), -1, made.shape[1]).transpose(1, 2)
        pictures = torch.nn.functional.fold(cells, unit.shape[2:], 4, stride=4)
        return Loss(error * (float("nan") if self.model["fails"] else 1), {"mse": error}, unit, pictures)

    def export(
        self, network: torch.nn.Module, tiles: Sequence[np.ndarray], training: Mapping[str, Any], licence: str
    ) -> Model:
        tensors = {name: value.detach().numpy() for name, value in network.state_dict().items() if value.ndim}
        config = {"tiles": len(tiles), "seen": int(network.seen)}
        return Model("test-tiny", config, training, licence, tensors)
