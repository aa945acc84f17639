"""Networks that use fixed-basis mixtures (section 3.2). Needs the extra `nn`; `import fbgmm` alone does not load it.

    conditional    networks whose output is a density
    digits         autoencoder of handwritten digits, and densities of its codes
    style          style transfer with sampled Gram matrices
    data           data sets and pictures
    train          the training loop

Their main names are here too, and load their package when they are first used: `from fbgmm.nn import DensityHead`.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

_PACKAGES = {"PIL": "pillow"} | {name: name for name in ("flax", "h5py", "optax", "orbax", "pooch", "rich")}
_missing = [package for module, package in sorted(_PACKAGES.items()) if find_spec(module) is None]
if _missing:
    raise ModuleNotFoundError(f'fbgmm.nn needs {", ".join(_missing)}; install with: pip install "fbgmm[nn]"')

_NAMES = {
    "conditional": ("Density", "DensityHead"),
    "digits": ("LatentMixture",),
    "style": ("GramMixture", "load_vgg19", "stylise"),
    "data": ("load_digits", "load_image", "load_uci"),
    "train": ("progress_bars",),
}


def __getattr__(name: str) -> Any:
    for folder, names in _NAMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{folder}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
