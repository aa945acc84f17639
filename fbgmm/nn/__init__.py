"""Networks that use fixed-basis mixtures (section 3.2). Needs the extra `nn`; `import fbgmm` alone does not load it."""

from importlib.util import find_spec

_missing = [name for name in ("flax", "optax", "orbax", "pooch", "rich") if find_spec(name) is None]
if _missing:
    raise ModuleNotFoundError(f'fbgmm.nn needs {", ".join(_missing)}; install with: pip install "fbgmm[nn]"')
