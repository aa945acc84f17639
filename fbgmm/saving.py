"""Save and load fitted densities, each in one file that says what it holds.

Two forms, by suffix, of one description: what the thing is, its static fields, and its arrays by name, each bit by bit.

    .npz    any of `KINDS`, batches of a million included: compressed arrays, and the description in JSON as `header`
    .json   one `Mixture` without batch axes, as text: the description with the arrays as lists of numbers

Nothing is pickled, and files are written atomically.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import zipfile
import zlib
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from . import checks
from .atomic import whole
from .mixture import Mixture

FORMAT, SCHEMA = "fbgmm", 1

KINDS = {
    "Mixture": "fbgmm.mixture",
    "Basis": "fbgmm.basis",
    "Choice": "fbgmm.auto.report",
    "Rotated": "fbgmm.multivariate.rotated",
    "NormalMixture": "fbgmm.multivariate.normal_mixtures",
    "LatentMixture": "fbgmm.nn.digits.latent",
}
"""What a file may hold → the module that has it. Named here, so that a file cannot ask for anything else."""


def save(path: str | os.PathLike[str], model: Any) -> None:
    """Writes a fitted density to a file, atomically: everything it is, bit by bit.

    Args:
        path: ends in .npz, for any density and batch; or in .json, for one `Mixture` without batch axes, which is then
            readable and comparable as text.
        model: a `Mixture`, a `Rotated` or a `fbgmm.nn.digits.latent.LatentMixture`.

    Raises:
        ValueError: another suffix; for .json a batch, another kind, or numbers that are not finite.
        TypeError: not such a density, or one that is traced by jit or vmap.

    Example:
        >>> import fbgmm
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "ages.npz"
        ...     fbgmm.save(path, fbgmm.fit([23.0, 35.0, 36.0, 61.0], n=50))
        ...     gmm = fbgmm.load(path)
        >>> gmm
        Mixture(Basis(n=50, low=23, high=61, r=0.76, t=2))
    """
    path, form = _form(path)
    if type(model).__name__ not in ("Mixture", "Rotated", "LatentMixture"):
        raise TypeError(f"model must be a Mixture, a Rotated or a LatentMixture; found {type(model).__name__}")
    if not checks.is_concrete(model):
        raise TypeError("model is traced by a transformation of JAX, so that it has no values yet; save it outside")
    arrays: dict[str, np.ndarray] = {}
    header = {"format": FORMAT, "schema": SCHEMA, "holds": _described("", model, arrays)}
    if form == ".json":
        text = _as_json(path, model, header, arrays)
        with whole(path) as file:
            file.write(text.encode())
        return
    with whole(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, array in {"header": np.array(json.dumps(header)), **arrays}.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)


def load(path: str | os.PathLike[str]) -> Any:
    """Reads what `save` wrote.

    Args:
        path: as given to `save`.

    Returns:
        The density, with all arrays in the precision in which they were saved.

    Raises:
        ValueError: a file that is truncated, of another program, or of a newer fbgmm; another suffix; arrays in float64
            where `jax_enable_x64` is not set, since JAX would round them.
        FileNotFoundError: no such file.

    Example:
        >>> import fbgmm
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "ages.json"
        ...     fbgmm.save(path, fbgmm.fit([23.0, 35.0, 36.0, 61.0], n=50))
        ...     text = path.read_text()
        ...     median = fbgmm.load(path).icdf(0.5)
        >>> print(text[:69], round(float(median)))
        {"format": "fbgmm", "schema": 1, "holds": {"kind": "Mixture", "basis" 38
    """
    path, form = _form(path)
    try:
        with open(path, "rb") as file:
            header, arrays = (_read_json if form == ".json" else _read_npz)(file)
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise ValueError(f"{path} is not a whole file of fbgmm.save: {error}") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise ValueError(f"{path} is not a file of fbgmm.save: its header does not name the format {FORMAT!r}")
    if header.get("schema") != SCHEMA:
        raise ValueError(
            f"{path} has schema {header.get('schema')!r}; this fbgmm reads schema {SCHEMA}: update fbgmm to read it"
        )
    for name, array in arrays.items():
        if jax.dtypes.canonicalize_dtype(array.dtype) != array.dtype:
            raise ValueError(
                f"{path} holds {name} in {array.dtype}, which JAX would round; set jax_enable_x64 to load it "
                "(JAX_ENABLE_X64=1, or jax.config.update('jax_enable_x64', True) at the start)"
            )
    try:
        return _built(header["holds"], {name: jnp.asarray(array) for name, array in arrays.items()})
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not a whole file of fbgmm.save: its description lacks or adds {error}") from error


def _form(path: str | os.PathLike[str]) -> tuple[Path, str]:
    path = Path(path)
    if path.suffix not in (".npz", ".json"):
        raise ValueError(f"path must end in .npz or .json; found {str(path)!r}")
    return path, path.suffix


def _described(name: str, value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """What a value is, as JSON: a kind with its fields, the name of an array (put into `arrays`), or a plain value."""
    kind = type(value).__name__
    if kind in KINDS:
        prefix = f"{name}." if name else ""
        fields = {key: _described(prefix + key, getattr(value, key), arrays) for key in _fields(type(value))}
        return {"kind": kind, **fields}
    if value is None or isinstance(value, int):
        return value
    arrays[name] = np.asarray(value)
    return {"array": name}


def _built(description: Any, arrays: dict[str, Any]) -> Any:
    if not isinstance(description, dict):
        return description
    if "array" in description:
        return arrays[description["array"]]
    fields = {key: _built(value, arrays) for key, value in description.items() if key != "kind"}
    return getattr(importlib.import_module(KINDS[description["kind"]]), description["kind"])(**fields)


def _fields(kind: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else list(kind._fields)


def _read_npz(file: Any) -> tuple[Any, dict[str, np.ndarray]]:
    with np.load(file, allow_pickle=False) as archive:
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError("found a single array")
        if "header" not in archive.files:
            raise ValueError(f"found no header, but {', '.join(archive.files[:5]) or 'nothing'}")
        arrays = {name: archive[name] for name in archive.files}
    return json.loads(str(arrays.pop("header"))), arrays


def _as_json(path: Path, model: Any, header: dict[str, Any], arrays: dict[str, np.ndarray]) -> str:
    """The description with its arrays beside it. Python prints the shortest digits that give back the same float64."""
    if not isinstance(model, Mixture) or model.batch_shape:
        batch = f" of batch shape {model.batch_shape}" if isinstance(model, Mixture) else ""
        raise ValueError(f"{path}: .json is for one Mixture; found a {type(model).__name__}{batch}: save it as .npz")
    lists = {name: {"dtype": str(array.dtype), "values": array.tolist()} for name, array in arrays.items()}
    try:
        return json.dumps({**header, "arrays": lists}, allow_nan=False) + "\n"
    except ValueError as error:
        bad = [name for name, array in arrays.items() if not np.isfinite(array).all()]
        raise ValueError(f"{path}: JSON has no numbers for what {', '.join(bad)} holds: save it as .npz") from error


def _read_json(file: Any) -> tuple[Any, dict[str, np.ndarray]]:
    found = json.load(file)
    if not isinstance(found, dict) or "arrays" not in found:
        raise ValueError("found no arrays in it")
    lists = found.pop("arrays")
    return found, {name: np.array(each["values"], each["dtype"]) for name, each in lists.items()}
