"""The float network of `gan` and `gan-ae` while it trains: that of `cnn-ae`, with two decoders of one shape."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from tilepress.codecs.planes.rgb_inputs import CHANNELS
from tilepress.jobs.recipes.cnn_ae.network import Autoencoder, Shape, begin
from tilepress.jobs.recipes.networks.blocks import join
from tilepress.jobs.recipes.networks.linear import convolutions, set_linear
from tilepress.jobs.recipes.networks.normalised import normalised


class Decoded(NamedTuple):
    """What crops became.

    `pictures`: (n, 3, h, w) of full scale 1, by the decoder that is for their errors. `bits`: a pixel, (n,). `real`,
    `made`: pieces of the crops (m, 3, b, b), and what the adversarial decoder made of them.
    """

    pictures: torch.Tensor
    bits: torch.Tensor
    real: torch.Tensor
    made: torch.Tensor


class TwoDecoders(nn.Module):
    """Called with crops and steps, it gives what the losses need. `base`: everything but the adversarial decoder."""

    def __init__(self, shape: Shape, operations: Sequence[str]):
        super().__init__()
        self.base = Autoencoder(shape)
        self.base.synthesis = normalised(shape.synthesis, operations)
        self.adversarial = normalised(shape.synthesis, operations)

    def forward(self, crops: torch.Tensor, step: torch.Tensor) -> Decoded:
        """Return what crops uint8 (n, h, w, 3) become at steps (n,), 1 being full scale."""
        real, inputs, bits = self.base.coded(crops, step)
        pieces, made = (self.base.decoded(each, inputs) for each in (self.base.synthesis, self.adversarial))
        return Decoded(join(pieces, len(crops), crops.shape[1]), bits, real, made)


@torch.no_grad()
def begin_both(network: TwoDecoders, crops: torch.Tensor) -> None:
    """Let the encoder and one decoder begin as cnn-ae does, and the other decoder as the same."""
    begin(network.base, crops)
    network.adversarial.load_state_dict(copy.deepcopy(network.base.synthesis.state_dict()))


@torch.no_grad()
def take_means(network: TwoDecoders) -> None:
    """Let the latents be the means of cells of pixels for good, and both decoders begin by repeating those.

    The analysis is `unshuffle R` and a convolution of three channels.
    """
    (encoder,), plan = convolutions(network.base.analysis), network.base.shape.synthesis
    cell = encoder.in_channels // CHANNELS
    means = torch.kron(torch.eye(CHANNELS), torch.full((1, cell), 1 / cell))
    encoder.weight.zero_()
    set_linear(encoder, means, torch.zeros(CHANNELS))
    encoder.requires_grad_(False)
    for decoder in (network.base.synthesis, network.adversarial):
        *inner, last = zip(plan.convolutions, convolutions(decoder), strict=True)
        passed = 0  # channels in front of those that the means are in
        for operation, conv in inner:
            if operation.kind == "beside":
                passed += operation.filters
            else:
                set_linear(conv, torch.eye(CHANNELS), torch.zeros(CHANNELS), first=passed)
                passed = 0
        repeated = torch.kron(torch.eye(CHANNELS), torch.ones(last[0].filters // CHANNELS, 1))
        set_linear(last[1], repeated, torch.zeros(last[0].filters), silence=True, first=passed)
