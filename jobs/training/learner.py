"""One worker's network under training: a step, the moving average of the weights, and all of it as named tensors."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace

import numpy as np
import torch

from tilepress.jobs.recipes.options import Options
from tilepress.jobs.recipes.recipe import Loss, TrainingPlan
from tilepress.jobs.training.compiling import compiled, compiling_named
from tilepress.jobs.training.opponent import Opponent
from tilepress.jobs.training.optimiser_state import restore_state, state_tensors, under
from tilepress.jobs.training.optimisers import optimiser_of
from tilepress.pipeline.errors import IntegrityError, UsageError

Wrap = Callable[[torch.nn.Module], torch.nn.Module]


class Learner:
    """Network, optimiser, moving average, and the critic of a recipe that has an adversary.

    `tensors` and `restore` are inverse: nothing else is state.
    """

    def __init__(self, plan: TrainingPlan, device: str = "cpu") -> None:
        self.options: Options = plan.options
        self.recipe, self._start = plan.recipe(), plan.start
        self.device = torch.device(device)
        torch.manual_seed(plan.options.seed)
        self.network = self.recipe.build().to(self.device)
        self.average: dict[str, torch.Tensor] = {}
        self._wrapped = compiled(self.network, plan.options)
        trained = [p for p in self.network.parameters() if p.requires_grad]
        self._optimiser = optimiser_of(trained, plan.options.optimiser, plan.options.lr) if trained else None
        adversary = self.recipe.adversary()
        self._opponent = Opponent(adversary, self.device) if adversary else None

    def wrap(self, wrap: Wrap) -> None:
        """Train through a wrapper (DistributedDataParallel); the network inside stays the one that is kept."""
        self._place()  # workers that neither initialised nor restored lay out weights as those that did
        self._wrapped = compiled(wrap(self.network), self.options)
        if self._opponent:
            self._opponent.wrap(wrap)

    def initialise(self, crops: np.ndarray) -> None:
        """Let the recipe initialise the network, from data or from the model to begin with, before the first step.

        That runs on the processor whatever the device is: weights begin as the same numbers everywhere.
        """
        with torch.no_grad():
            network, seen = self.network.cpu(), torch.from_numpy(crops)
            if self._start:
                self.recipe.begin_from(network, self._start, seen)
            else:
                self.recipe.initialise(network, seen)
        self._place()
        self.begin_average()

    def _place(self) -> None:
        """Move the network to the device; on one that is not the processor, weights of convolutions lie by pixel, as
        crops do: kernels for bfloat16 ask for that, and would turn them around in every step."""
        self.network.to(self.device)
        if self.device.type != "cpu":
            self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch leaves it out

    def begin_average(self) -> None:
        """Let the moving average start at the weights as they are."""
        if self.options.ema:
            self.average = {name: value.detach().clone() for name, value in self.network.state_dict().items()}

    def learn(self, crops: torch.Tensor, step: int, share: float, rank: int = 0) -> dict[str, torch.Tensor]:
        """Take one step on crops uint8 (n, side, side, c), and return the figures of the batch, each a single number.

        `share` (0..1) of the training is over. Figures are on the device, which may not have them yet: nothing in a
        step waits for it, so that it always has work.
        """
        if self._optimiser is None:
            raise UsageError("this recipe has nothing to learn by steps: set steps=0")
        torch.manual_seed(self.options.seed + 1_000_003 * step + rank)  # noise is a function of the step: see crops.py
        for group in self._optimiser.param_groups:
            group["lr"] = learning_rate(self.options, step, share)
        self.network.train()
        with self._precision(), compiling_named(self.options):
            seen = crops.to(self.device, non_blocking=True)
            loss = self._against(self.recipe.loss(self._wrapped, seen))
        self._optimiser.zero_grad(set_to_none=True)
        with compiling_named(self.options):
            torch.autograd.backward(loss.total)
        if self.options.clip:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.options.clip)
        with _divergence_named():
            self._optimiser.step()
        self._follow(step)
        return _figures(loss) | self._judged(loss)

    def validate(self, batches: Iterator[torch.Tensor]) -> dict[str, float]:
        """Return figures over held-out crops, of the weights that would be exported; the mean over batches."""
        sums: dict[str, float] = {}
        count = 0
        with self.exported(), torch.no_grad():
            for crops in batches:
                torch.manual_seed(self.options.seed)
                loss = self.recipe.loss(self.network, crops.to(self.device))
                for name, value in _figures(loss).items():
                    sums[name] = sums.get(name, 0.0) + float(value)
                count += 1
        return {name: value / count for name, value in sums.items()}

    @contextmanager
    def exported(self) -> Iterator[torch.nn.Module]:
        """The network as it would be exported: in evaluation mode, with the averaged weights if there are any."""
        kept = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
        self.network.eval()
        if self.average:
            self.network.load_state_dict(self.average)
        try:
            yield self.network
        finally:
            self.network.load_state_dict(kept)

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return everything that is learned, by name, on the CPU."""
        out = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        out |= {f"average.{name}": value for name, value in self.average.items()}
        if self._optimiser is not None:
            out |= state_tensors(self._optimiser, self.network, self.options.optimiser)
        if self._opponent:
            out |= self._opponent.tensors()
        return {name: value.detach().cpu().contiguous().clone() for name, value in out.items()}

    def restore(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Inverse of `tensors`. IntegrityError if they are of another network."""
        self._place()
        try:
            self.network.load_state_dict(under(tensors, "network."))
        except RuntimeError as exc:
            raise IntegrityError(f"the checkpoint is not one of this network: {exc}") from exc
        weights = self.network.state_dict()
        averages = under(tensors, "average.")
        self.average = {name: torch.empty_like(weights[name]).copy_(value) for name, value in averages.items()}
        if self._optimiser is not None:
            restore_state(self._optimiser, self.network, self.options.optimiser, tensors)
        if self._opponent:
            self._opponent.restore(tensors)

    def _against(self, loss: Loss) -> Loss:
        """Return the loss with that of the game against the critic in it, if there is one."""
        if self._opponent is None:
            return loss
        deceived = self._opponent.deception(loss)
        total = loss.total + self._opponent.weight * deceived
        return replace(loss, total=total, figures={**loss.figures, "deceived": deceived})

    def _judged(self, loss: Loss) -> dict[str, torch.Tensor]:
        """Let the critic learn from the batch, if there is one, and return its figures."""
        if self._opponent is None:
            return {}
        with self._precision():
            judged = self._opponent.judgement(loss)
        self._opponent.learn(judged)
        return {"judged": judged.detach()}

    def _follow(self, step: int) -> None:
        decay = min(self.options.ema, (1 + step) / (10 + step))  # follows closely at first
        current = self.network.state_dict()
        for name, value in self.average.items():
            if value.is_floating_point():
                value.lerp_(current[name].detach(), 1 - decay)
            else:
                value.copy_(current[name])

    def _precision(self) -> AbstractContextManager[object]:
        wanted = self.options.precision
        if wanted == "float32" or (wanted == "auto" and self.device.type == "cpu"):
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)


def learning_rate(options: Options, step: int, share: float) -> float:
    """Return the learning rate: a linear warm-up, then a cosine from `lr` to `lr * lr_end` over the training."""
    cosine = options.lr_end + (1 - options.lr_end) * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))
    return options.lr * cosine * min(1.0, (step + 1) / (options.warmup + 1))


@contextmanager
def _divergence_named() -> Iterator[None]:
    """Make a UsageError of the error of eigenvectors that gradients do not have: of such as are not finite."""
    try:
        yield
    except torch.linalg.LinAlgError as exc:  # type: ignore[attr-defined]  # documented, but torch's types leave it out
        raise UsageError(f"training diverged: lower lr=, or set clip=1.0 ({exc})") from exc


def _figures(loss: Loss) -> dict[str, torch.Tensor]:
    return {name: value.detach() for name, value in {"loss": loss.total, **loss.figures}.items()}
