"""Networks that use fixed-basis mixtures (section 3.2). Needs the extra `nn`; `import fbgmm` alone does not load it."""

from importlib.util import find_spec

_PACKAGES = {"PIL": "pillow"} | {name: name for name in ("flax", "h5py", "optax", "orbax", "pooch", "rich")}
_missing = [package for module, package in sorted(_PACKAGES.items()) if find_spec(module) is None]
if _missing:
    raise ModuleNotFoundError(f'fbgmm.nn needs {", ".join(_missing)}; install with: pip install "fbgmm[nn]"')
