"""Matrix products name their precision: where nothing is said, accelerators multiply float32 with 8 to 10 bits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fbgmm
from fbgmm.multivariate.stacked import fit_stacked
from fbgmm.nn.style import gram, nearest_psd

X = jnp.asarray(np.random.default_rng(0).normal(size=(2, 300)), jnp.float32)
AT = jnp.linspace(-1, 1, 5, dtype=jnp.float32)


def products(jaxpr):
    """All products of matrices in a program and in the programs within it."""
    for eqn in jaxpr.eqns:
        if eqn.primitive.name == "dot_general":
            yield eqn
        for inner in jax.tree.leaves(list(eqn.params.values()), is_leaf=lambda a: hasattr(a, "eqns")):
            if hasattr(inner, "jaxpr") or hasattr(inner, "eqns"):
                yield from products(getattr(inner, "jaxpr", inner))


def evaluated(f):
    return lambda x: f(fbgmm.fit(x[0], n=50))


ALGORITHMS = [
    fbgmm.algorithm1,
    fbgmm.algorithm2,
    fbgmm.interior_point,
    fbgmm.least_squares,
    fbgmm.maximum_likelihood,
    fbgmm.multi_scale,
    fbgmm.roughness,
]
WORKS = {
    "chosen": lambda x: fbgmm.fit_batch(x).pi,
    **{made.__name__: lambda x, made=made: fbgmm.fit_batch(x, n=50, algorithm=made()).pi for made in ALGORITHMS},
    "entropy": evaluated(lambda gmm: gmm.entropy()),
    "cdf": evaluated(lambda gmm: gmm.cdf(AT)),
    "log_prob": evaluated(lambda gmm: gmm.log_prob(AT)),
    "icdf": evaluated(lambda gmm: gmm.icdf(jnp.abs(AT))),
    "rotated": lambda x: fit_stacked(x.T, jnp.ones(300, jnp.float32)),
    "gram": lambda x: gram(x.reshape(10, 10, 6)),
    "nearest_psd": lambda x: nearest_psd(x[:, :2]),
}


@pytest.mark.parametrize("name", list(WORKS))
def test_products_name_their_precision(name):
    made = jax.make_jaxpr(WORKS[name])(X)
    left_open = [eqn for eqn in products(made.jaxpr) if eqn.params["precision"] is None]
    assert not left_open, [str(eqn.source_info.traceback) for eqn in left_open]
