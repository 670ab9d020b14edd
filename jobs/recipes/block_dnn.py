"""Trains `block-dnn` models on a folder of RGB photographs.

    python -m tilepress.jobs.recipes.block_dnn --data FOLDER --ratio 16 --out FOLDER --minutes 3 --seed 1

The network starts as the PCA of the blocks, split into positive and negative parts so that ReLU passes it, and is
trained by Adam on the mean squared error plus a proxy of the rate. The decoder is then refitted to the quantised
latents of every level and exported to integers, and the entropy model is fitted (block_entropy.py).
Training sees the seed and the clock: a second training gives an equally good model, not the same one.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from tilepress.codecs.block_dnn import BlockConfig, BlockDnn
from tilepress.codecs.block_planes import frames, to_blocks
from tilepress.codecs.codec import TileSpec
from tilepress.codecs.errors import ModelError
from tilepress.codecs.exact import FLOAT32_BOUND, quantise
from tilepress.codecs.model import Model
from tilepress.jobs.recipes.block_entropy import fit

TILE = 512
STEPS = "256,128,64,32,24,16,12,8"
SPEC = TileSpec(TILE, TILE, 3, "uint8", 8, "rgb")
BATCH = 4096


def read_tiles(folder: Path, limit: int) -> np.ndarray:
    """uint8 (n, TILE, TILE, 3): the whole tiles of the RGB images under `folder`, in order of their names."""
    tiles = list(_tiles(folder, limit))
    if not tiles:
        raise SystemExit(f"no RGB image of {TILE} x {TILE} or more under {folder}")
    return np.stack(tiles)


def _tiles(folder: Path, limit: int) -> Iterator[np.ndarray]:
    found = 0
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".png", ".tif", ".tiff")):
        with Image.open(path) as image:
            pixels = np.asarray(image) if image.mode == "RGB" else np.empty((0, 0, 3), np.uint8)
        for y in range(0, pixels.shape[0] - TILE + 1, TILE):
            for x in range(0, pixels.shape[1] - TILE + 1, TILE):
                if found < limit:
                    found += 1
                    yield pixels[y : y + TILE, x : x + TILE]


class Autoencoder(torch.nn.Module):
    """ReLU layers N -> hidden -> K, then a linear decoder K -> N."""

    def __init__(self, size: int, hidden: int, latents: int):
        super().__init__()
        self.first = torch.nn.Linear(size, hidden)
        self.last = torch.nn.Linear(hidden, latents)
        self.decoder = torch.nn.Linear(latents, size)

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Blocks (m, N) in [0, 1] to latents (m, K), >= 0."""
        z: torch.Tensor = torch.relu(self.last(torch.relu(self.first(x))))
        return z


@torch.no_grad()
def begin_with_pca(net: Autoencoder, blocks: torch.Tensor) -> torch.Tensor:
    """Set `net` to the PCA of `blocks`; returns (K,) the latents of the mean block."""
    latents = net.last.out_features
    mean = blocks.mean(dim=0)
    centred = blocks - mean
    vectors: torch.Tensor = torch.linalg.eigh((centred.T @ centred).double()).eigenvectors
    basis = vectors.flip(1)[:, :latents].T.float()
    basis = basis * torch.sign(basis.sum(dim=1, keepdim=True))
    rest: torch.Tensor = -1.1 * (centred @ basis.T).min(dim=0).values
    net.first.weight[: 2 * latents] = torch.cat([basis, -basis])
    net.first.bias[: 2 * latents] = torch.cat([-basis @ mean, basis @ mean])
    net.last.weight.zero_()
    net.last.weight[:, : 2 * latents] = torch.cat([torch.eye(latents), -torch.eye(latents)], dim=1)
    net.last.bias.copy_(rest)
    net.decoder.weight.copy_(basis.T)
    net.decoder.bias.copy_(mean - rest @ basis)
    return rest


def train(
    net: Autoencoder, blocks: torch.Tensor, rest: torch.Tensor, minutes: float, rate: float, step: float
) -> dict[str, float]:
    """Adam on squared error + `rate` * log2(1 + |z - rest| / step), learning rate falling to 0 over the time."""
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
    begin, steps = time.monotonic(), 0
    while (share := (time.monotonic() - begin) / (60 * minutes + 1e-9)) < 1:
        optimiser.param_groups[0]["lr"] = 5e-4 * (1 - share)
        x = blocks[torch.randint(len(blocks), (BATCH,))]
        z = net.encode(x)
        norms = net.decoder.weight.norm(dim=0)
        error = (net.decoder(z) - x).square().sum(dim=1).mean()
        bits = torch.log2(1 + (z - rest).abs() * norms / step).sum(dim=1).mean()
        loss = error + rate * bits
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        steps += 1
    return {"updates": steps, "batch": BATCH}


@torch.no_grad()
def normalise(net: Autoencoder) -> None:
    """Give the decoder columns of norm 1, so that one step suits all latents; ReLU lets the scale through."""
    norms = net.decoder.weight.norm(dim=0)
    net.decoder.weight.div_(norms)
    net.last.weight.mul_(norms[:, None])
    net.last.bias.mul_(norms)


def refit_decoder(latents: np.ndarray, blocks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least-squares decoder (N, K) and offset (N,) from quantised latents (m, K) to blocks (m, N)."""
    q = latents.astype(np.float64)
    q_mean, x_mean = q.mean(axis=0), blocks.mean(axis=0, dtype=np.float64)
    centred = q - q_mean
    gram = centred.T @ centred + 1e-6 * len(q) * np.eye(q.shape[1])
    weight = np.linalg.solve(gram, centred.T @ (blocks - x_mean)).T
    return weight, x_mean - weight @ q_mean


def fraction_bits(decoders: list[tuple[np.ndarray, np.ndarray]], tops: list[np.ndarray]) -> int:
    """The most fraction bits, 18 to 20, for which float32 is exact at every level; 18 if none."""
    reach = max(float((np.abs(w) @ t + np.abs(b)).max()) for (w, b), t in zip(decoders, tops, strict=True))
    return next((bits for bits in (20, 19) if reach * 2**bits < 0.99 * FLOAT32_BOUND), 18)


def export(net: Autoencoder, blocks: np.ndarray, args: argparse.Namespace, record: dict[str, object]) -> Model:
    """Integer decoders, entropy models and float analysis of every level. `blocks` (n, 3, rows, columns, N)."""
    with torch.no_grad():
        flat = torch.from_numpy(blocks.reshape(-1, blocks.shape[-1]))
        z = torch.cat([net.encode(part) for part in torch.split(flat, 1 << 14)]).numpy()
    steps = [float(s) / 256 for s in args.steps.split(",")]
    tops = [np.ceil(z.max(axis=0) * 1.1 / s + 1) for s in steps]
    quantised = [np.rint(z / s).astype(np.int16) for s in steps]
    thin = slice(None, None, max(1, len(z) // 200_000))
    decoders = [refit_decoder(q[thin], flat.numpy()[thin]) for q in quantised]
    bits = fraction_bits(decoders, tops)
    tensors = {}
    for i, layer in enumerate((net.first, net.last)):
        tensors[f"analysis{i}.weight"] = layer.weight.detach().numpy()
        tensors[f"analysis{i}.bias"] = layer.bias.detach().numpy()
    for level, (q, top, (weight, offset)) in enumerate(zip(quantised, tops, decoders, strict=True)):
        fitted, cdf = fit(q.reshape(*blocks.shape[:-1], -1), top, args.seed)
        for name, array in fitted._asdict().items():
            tensors[f"level{level}.{name}"] = _narrow(array)
        tensors[f"level{level}.cdf"] = cdf
        tensors[f"level{level}.decoder"] = _narrow(quantise(weight, bits))
        tensors[f"level{level}.offset"] = quantise(offset, bits).astype(np.int32)
        print(f"level {level}: step {256 * steps[level]:g}/256 fitted", flush=True)
    config = BlockConfig(net_block(net), args.ratio_latents, tuple(steps), args.level, bits, 2)
    return Model("block-dnn", config.to_json(), record, args.licence, tensors)


def net_block(net: Autoencoder) -> int:
    """Side of the blocks that a network takes."""
    return int(net.first.in_features**0.5)


def _narrow(array: np.ndarray) -> np.ndarray:
    small = np.abs(array.astype(np.int64)).max(initial=0) < 1 << 15
    return array.astype(np.int16 if small else np.int32)


def main() -> None:
    """Train one model and write its folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--ratio", type=int, required=True, help="inputs per latent: 4, 8, 16 ...")
    parser.add_argument("--block", type=int, default=16)
    parser.add_argument("--extra", type=int, default=32, help="hidden neurons besides the 2 K of the PCA")
    parser.add_argument("--rate", type=float, default=0.03, help="weight of the proxy of the rate")
    parser.add_argument("--proxy-step", type=float, default=96, help="step that the proxy assumes, 256 = full scale")
    parser.add_argument("--level", type=int, default=1, help="default quality level")
    parser.add_argument("--steps", default=STEPS, help="quantisation steps, coarse to fine, 256 = full scale")
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tiles", type=int, default=250, help="use at most so many tiles")
    parser.add_argument("--licence", default="not stated", help="terms of the training data, kept with the model")
    args = parser.parse_args()
    args.ratio_latents = args.block**2 // args.ratio
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    tiles = read_tiles(args.data, args.tiles)
    blocks = to_blocks(tiles, SPEC, frames(tiles, SPEC), args.block)
    flat = torch.from_numpy(blocks.reshape(-1, blocks.shape[-1]))
    net = Autoencoder(args.block**2, 2 * args.ratio_latents + args.extra, args.ratio_latents)
    rest = begin_with_pca(net, flat)
    record: dict[str, object] = {key: value for key, value in vars(args).items() if key not in ("data", "out")}
    record |= {
        "tiles": len(tiles),
        "pca_mse": mse(net, flat),
        **train(net, flat, rest, args.minutes, args.rate, args.proxy_step / 256),
    }
    record["mse"] = mse(net, flat)
    print(record, flush=True)
    normalise(net)
    model = export(net, blocks, args, record)
    BlockDnn(model)  # proves that it is exact
    model.save(args.out)
    print(f"{args.out}: {model.name}")


@torch.no_grad()
def mse(net: Autoencoder, blocks: torch.Tensor) -> float:
    """Mean squared error per pixel, unquantised, full scale 1."""
    parts = [(net.decoder(net.encode(x)) - x).square().sum() for x in torch.split(blocks, 1 << 14)]
    return float(sum(parts)) / blocks.numel()


if __name__ == "__main__":
    try:
        main()
    except ModelError as exc:
        raise SystemExit(f"training failed: {exc}") from exc
