"""Fixed-basis mixtures as scikit-learn estimators. Needs the extra `sklearn`; `import fbgmm` alone does not load it."""

from importlib.util import find_spec

if find_spec("sklearn") is None:
    raise ModuleNotFoundError('fbgmm.sklearn needs scikit-learn; install with: pip install "fbgmm[sklearn]"')

from .mixture import FixedBasisMixture
from .naive_bayes import FixedBasisNB

__all__ = ["FixedBasisMixture", "FixedBasisNB"]
