"""Training: steps of Adam on crops, with checkpoints from which a run that was interrupted goes on.

Values: a network, crops and settings in; the trained network and the mean loss of every hundred steps out. The losses
are those of StarDist: cross-entropy of the probability, and the absolute error of distances, weighted by it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from mmip_gpu.errors import InvalidArgument
from mmip_gpu.neural.crops import Batch, Crops
from mmip_gpu.neural.unet import Network

__all__ = ["FitSettings", "fit"]

_DISTANCE_WEIGHT = 0.2
_BACKGROUND_WEIGHT = 1e-4


@dataclass(frozen=True)
class FitSettings:
    """How a network is trained.

    Parameters
    ----------
    steps, batch : int
        Steps, and crops a step.
    side : int
        Rows and columns of a crop.
    rate : float
        Learning rate of the first steps; it falls to a hundredth along a cosine.
    seed : int
        Of the first weights and of the crops.
    save_every : int
        Steps between two checkpoints.
    brain_floats : bool
        Whether layers compute in bfloat16: half the time on processors that have it.
    """

    steps: int
    batch: int = 4
    side: int = 128
    rate: float = 2e-3
    seed: int = 0
    save_every: int = 50
    brain_floats: bool = False


def loss_of(network: Network, batch: Batch, brain_floats: bool = False) -> Any:
    """Loss of a batch, a tensor."""
    images, probability, distances = (
        torch.from_numpy(part) for part in (batch.images, batch.probability, batch.distances)
    )
    with torch.autocast("cpu", torch.bfloat16, enabled=brain_floats):
        logits, found = network(images)
    loss = functional.binary_cross_entropy_with_logits(logits[:, 0].float(), probability)
    if found is None:
        return loss
    found = found.float()
    wrong = (found - distances).abs().mean(dim=1)
    nothing = (probability == 0).float() * found.abs().mean(dim=1)
    weighted = (wrong * probability).mean() / (probability.mean() + 1e-6)
    return loss + _DISTANCE_WEIGHT * (weighted + _BACKGROUND_WEIGHT * nothing.mean())


def fit(
    network: Network,
    crops: Crops,
    settings: FitSettings,
    checkpoint: Path,
    progress: Callable[[int, float], None] = lambda _step, _loss: None,
) -> list[float]:
    """Train a network in place, from its checkpoint where there is one.

    Parameters
    ----------
    checkpoint : pathlib.Path
        Written every `settings.save_every` steps and at the end; one of other settings is refused.
    progress : callable, optional
        Called with the number of steps done and the loss of the last one.

    Returns
    -------
    list of float
        Losses of all steps.
    """
    optimizer = torch.optim.Adam(network.parameters(), settings.rate)
    losses = _resume(network, optimizer, settings, checkpoint)
    network.train()
    for step in range(len(losses), settings.steps):
        for group in optimizer.param_groups:
            group["lr"] = _rate(settings, step)
        loss = loss_of(network, crops.batch(step, settings.batch), settings.brain_floats)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        progress(len(losses), losses[-1])
        if len(losses) % settings.save_every == 0 or len(losses) == settings.steps:
            _save(network, optimizer, settings, losses, checkpoint)
    network.eval()
    return losses


def _rate(settings: FitSettings, step: int) -> float:
    """Learning rate of a step: 20 steps of warm-up, then half a cosine."""
    cosine = 0.5 * (1 + float(torch.cos(torch.tensor(torch.pi * step / settings.steps))))
    return settings.rate * min((step + 1) / 20, 1.0) * (0.01 + 0.99 * cosine)


def _save(network: Network, optimizer: Any, settings: FitSettings, losses: list[float], path: Path) -> None:
    state = {"settings": asdict(settings), "network": network.state_dict(), "losses": losses}
    part = path.with_suffix(".part")
    torch.save(state | {"optimizer": optimizer.state_dict()}, part)
    part.replace(path)


def _resume(network: Network, optimizer: Any, settings: FitSettings, path: Path) -> list[float]:
    """Losses of the steps that were done; the network and the optimizer as they were."""
    if not path.exists():
        return []
    state = torch.load(path, weights_only=True)
    if state["settings"] != asdict(settings):
        raise InvalidArgument(
            f"{path} was trained with {state['settings']}, this run has {asdict(settings)}: remove it to start anew"
        )
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    return list(state["losses"])
