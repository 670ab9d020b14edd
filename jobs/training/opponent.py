"""One worker's critic under training, and its optimiser: the second half of an adversarial step."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch

from tilepress.jobs.recipes.networks.critic import GAMES, Adversary
from tilepress.jobs.recipes.recipe import Loss
from tilepress.jobs.training.optimiser_state import restore_state, state_tensors, under
from tilepress.pipeline.errors import IntegrityError

_CRITIC, _OPTIMISER = "critic", "judge"


class Opponent:
    """The critic of a recipe's adversary. `tensors` and `restore` are inverse: nothing else is state."""

    def __init__(self, adversary: Adversary, device: torch.device) -> None:
        self.game, self.weight = GAMES[adversary.game], adversary.weight
        self.critic = self._wrapped = adversary.critic.to(device).train()
        self._optimiser = self.game.optimiser(list(self.critic.parameters()))

    def wrap(self, wrap: Callable[[torch.nn.Module], torch.nn.Module]) -> None:
        """Train through a wrapper (DistributedDataParallel)."""
        self._wrapped = wrap(self.critic)

    def deception(self, loss: Loss) -> torch.Tensor:
        """Return what the network's pictures cost it in the game.

        The critic learns nothing from it: it is called outside its wrapper, and `learn` begins without gradients.
        """
        real, made = _pictures(loss)
        return self.game.deception(self.critic(torch.cat([real, made]))[len(real) :])

    def judgement(self, loss: Loss) -> torch.Tensor:
        """Return the critic's own loss, of the pictures of a batch and what the network made.

        Both are judged in one batch, as in `deception`: batch normalisation sees the same.
        """
        real, made = _pictures(loss)
        scores = self._wrapped(torch.cat([real, made.detach()]))
        return self.game.judgement(scores[: len(real)], scores[len(real) :])

    def learn(self, judged: torch.Tensor) -> None:
        """Take a step of the critic against its loss."""
        self._optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(judged)
        self._optimiser.step()
        if self.game.clip:
            with torch.no_grad():
                for weight in self.critic.parameters():
                    weight.clamp_(-self.game.clip, self.game.clip)

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return everything that is learned, by name."""
        own = {f"{_CRITIC}.{name}": value for name, value in self.critic.state_dict().items()}
        return own | state_tensors(self._optimiser, self.critic, _OPTIMISER)

    def restore(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Take over what `tensors` returned. IntegrityError if they are of another critic."""
        try:
            self.critic.load_state_dict(under(tensors, f"{_CRITIC}."))
        except RuntimeError as exc:
            raise IntegrityError(f"the checkpoint is not one of this critic: {exc}") from exc
        restore_state(self._optimiser, self.critic, _OPTIMISER, tensors)


def _pictures(loss: Loss) -> tuple[torch.Tensor, torch.Tensor]:
    assert loss.real is not None and loss.made is not None, "a recipe with an adversary returns what it is to judge"
    return loss.real.to(loss.made.dtype), loss.made
