"""The arrays of a file of PyTorch weights, read with NumPy alone: no PyTorch, and no code of the file is run.

The format is the one that `torch.save` wrote before version 1.6: five pickles (a magic number, a version, the machine,
the named tensors, the keys of their storages), then the storages, each after its length.
"""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import io
import pickle  # restricted to what tensors need by `_Unpickler`, once the file is known by its hash
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from commun import UserError

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
TYPES = {"FloatStorage": "<f4", "LongStorage": "<i8"}


def read_tensors(path: Path, sha256: str) -> dict[str, np.ndarray]:
    """Returns the tensors of a file by name, each with its own memory, row by row.

    Args:
        path: the file.
        sha256: what its content must hash to, in hexadecimal; nothing of another content is read.

    Raises:
        UserError: the file is missing, is another one, or holds anything but tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"Le fichier de poids {path} est absent.")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise UserError(
            f"Le fichier de poids {path} n'est pas celui qui est attendu : son empreinte SHA-256 diffère. Il n'a pas "
            "été lu. Réinstallez le paquet qui l'apporte."
        )
    try:
        return _tensors(io.BytesIO(content))
    except (pickle.UnpicklingError, ValueError, TypeError, EOFError, AttributeError, IndexError, KeyError) as error:
        raise UserError(f"Le fichier de poids {path} contient autre chose que des tableaux ({error}).") from error


@dataclasses.dataclass(frozen=True)
class _Tensor:
    """Where a tensor is: a key among the storages, the NumPy type of its numbers, its first one, shape and strides."""

    storage: tuple[str, str]
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @classmethod
    def rebuild(cls, storage: Any, offset: Any, shape: Any, strides: Any, *_ignored: Any) -> _Tensor:
        """Takes the arguments of `torch._utils._rebuild_tensor_v2`, of which gradients and hooks are ignored."""
        return cls(storage, offset, shape, strides)

    def of(self, storages: dict[str, np.ndarray]) -> np.ndarray:
        """Returns its numbers, copied; what would lie outside its storage is refused."""
        if not all(isinstance(n, int) and n >= 0 for n in (self.offset, *self.shape, *self.strides)):
            raise ValueError("un tableau a une forme impossible")
        numbers = storages[self.storage[0]][self.offset :]
        last = sum((n - 1) * step for n, step in zip(self.shape, self.strides, strict=True))
        if min(self.shape, default=1) < 1 or last >= len(numbers):
            raise ValueError("un tableau sort de son bloc de nombres")
        steps = [step * numbers.itemsize for step in self.strides]
        return np.lib.stride_tricks.as_strided(numbers, self.shape, steps, writeable=False).copy(order="C")


class _Unpickler(pickle.Unpickler):
    """Makes ordered dictionaries and `_Tensor`s; the types of storages are names; anything else is refused."""

    KNOWN = {
        ("collections", "OrderedDict"): collections.OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): _Tensor.rebuild,
        **{("torch", name): numpy_type for name, numpy_type in TYPES.items()},
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.KNOWN:
            raise pickle.UnpicklingError(f"{module}.{name} y est demandé")
        return self.KNOWN[module, name]

    def persistent_load(self, identity: Any) -> tuple[str, str]:
        """Returns the key and the NumPy type of a storage."""
        kind, numpy_type, key, _place, _count, view = identity
        if kind != "storage" or numpy_type not in TYPES.values() or view is not None:
            raise pickle.UnpicklingError("un bloc de nombres y est d'un genre inconnu")
        return str(key), numpy_type


def _tensors(stream: BinaryIO) -> dict[str, np.ndarray]:
    magic, version, machine, named, keys = (_Unpickler(stream).load() for _ in range(5))
    if (magic, version, machine["little_endian"]) != (MAGIC, VERSION, True):
        raise ValueError("le format est inconnu")
    for name, tensor in named.items():
        if not isinstance(name, str) or not isinstance(tensor, _Tensor):
            raise ValueError(f"« {name} » n'est pas un tableau")
    types, storages = dict(tensor.storage for tensor in named.values()), {}
    for key in keys:
        count = int.from_bytes(stream.read(8), "little")
        size = count * np.dtype(types[key]).itemsize
        storages[key] = np.frombuffer(stream.read(size), types[key], count)
    return {name: tensor.of(storages) for name, tensor in named.items()}
