"""Checkpoints of a training, written atomically by orbax."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from ..._typing import AnyArray

_KEPT = 2


def checksum(*arrays: AnyArray) -> int:
    """CRC-32 of the bytes of arrays."""
    digest = 0
    for array in arrays:
        digest = zlib.crc32(np.ascontiguousarray(array).data, digest)
    return digest


class Checkpoints:
    """The checkpoints of one training in a folder, written by orbax; the last two are kept.

    Args:
        folder: made where it is not there.
        identity: what makes this training this one, in plain numbers and text: settings, key, digest of the data.
    """

    def __init__(self, folder: Path, identity: Mapping[str, int | float | str]):
        self.folder, self.identity = folder.absolute(), dict(identity)
        options = ocp.CheckpointManagerOptions(max_to_keep=_KEPT, enable_async_checkpointing=False)
        self._manager = ocp.CheckpointManager(self.folder, options=options)

    def save(self, epoch: int, state: Any) -> None:
        """Saves a pytree of arrays as the state after so many epochs."""
        items = ocp.args.Composite(state=ocp.args.StandardSave(state), identity=ocp.args.JsonSave(self.identity))
        self._manager.save(epoch, args=items)

    def load(self, like: Any) -> tuple[int, Any]:
        """The number of epochs done and the state after them; 0 and the given state where none was saved.

        Args:
            like: the state before the first epoch: structure, shapes and types of the saved one.

        Raises:
            ValueError: the folder holds checkpoints of another training, or one that cannot be read.
        """
        epoch = self._manager.latest_step()
        if epoch is None:
            return 0, like
        found = self._restored(epoch, identity=ocp.args.JsonRestore()).identity
        for name, value in self.identity.items():
            if found.get(name) != value:
                raise ValueError(
                    f"{self.folder} holds checkpoints of another training: {name} is {found.get(name)!r} there, "
                    f"{value!r} here; give another folder or remove it"
                )
        return epoch, self._restored(epoch, state=ocp.args.StandardRestore(jax.eval_shape(lambda: like))).state

    def close(self) -> None:
        self._manager.close()

    def _restored(self, epoch: int, **items: Any) -> Any:
        try:
            return self._manager.restore(epoch, args=ocp.args.Composite(**items))
        except Exception as error:  # orbax raises many kinds for a damaged folder
            raise ValueError(
                f"checkpoint {epoch} in {self.folder} cannot be read; remove the folder: {error}"
            ) from error
