"""Weights of a network: safetensors, and a JSON file beside it that says what the network is and how it was made.

Values: a network and facts in, two files out, and back. Reading runs no code of the file: the checksum, names and
shapes are compared with what the JSON file says.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save

from mmip_gpu.errors import CorruptData, InvalidArgument, MissingResource, UnsupportedVersion
from mmip_gpu.neural.unet import Network, NetworkShape, new_network

__all__ = ["read_weights", "write_weights"]

VERSION = 1


def write_weights(path: Path, network: Network, facts: dict[str, Any]) -> Path:
    """Write PATH.safetensors and PATH.json; return the first.

    Parameters
    ----------
    path : pathlib.Path
        Without an ending.
    facts : dict
        How the weights were made: kept as they are.
    """
    data = save({name: tensor.contiguous() for name, tensor in network.state_dict().items()})
    sidecar = {
        "version": VERSION,
        "network": network.shape.facts,
        "sha256": hashlib.sha256(data).hexdigest(),
        **facts,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".json").write_text(json.dumps(sidecar, indent=2) + "\n")
    weights = path.with_suffix(".safetensors")
    weights.write_bytes(data)
    return weights


def read_weights(path: Path) -> tuple[Network, dict[str, Any]]:
    """Read a network, ready to predict, and what the JSON file beside it says.

    Raises
    ------
    MissingResource
        Where one of the two files is not there.
    UnsupportedVersion
        For a JSON file of another version.
    CorruptData
        For files that do not belong together, or are none of a network.
    """
    weights, beside = path.with_suffix(".safetensors"), path.with_suffix(".json")
    for file in (weights, beside):
        if not file.is_file():
            raise MissingResource(f"{file} is not there: mmip_gpu.neural.train makes it")
    sidecar, shape = _sidecar(beside)
    data = weights.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != sidecar["sha256"]:
        raise CorruptData(f"{weights} has SHA-256 {found}, {beside.name} expects {sidecar['sha256']}")
    network = new_network(shape, 0)
    try:
        network.load_state_dict(load(data))
    except (SafetensorError, RuntimeError) as error:
        raise CorruptData(f"{weights} holds no network as {beside.name} has it: {error}") from None
    return network.eval(), sidecar


def _sidecar(path: Path) -> tuple[dict[str, Any], NetworkShape]:
    try:
        sidecar = json.loads(path.read_text())
        version = sidecar["version"]
        if version != VERSION:
            raise UnsupportedVersion(f"{path} is of version {version}, expected {VERSION}")
        return {"sha256": "", **sidecar}, NetworkShape(**sidecar["network"])
    except UnsupportedVersion:
        raise
    except (ValueError, KeyError, TypeError, InvalidArgument) as error:
        raise CorruptData(f"{path} describes no network: {type(error).__name__}: {error}") from None
