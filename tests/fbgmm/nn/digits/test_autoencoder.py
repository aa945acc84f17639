"""The networks: their shapes and sizes are those of their docstrings."""

import inspect
import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from fbgmm.nn.digits import autoencoder
from fbgmm.nn.digits.autoencoder import Decoder, Discriminator, Encoder

NETWORKS = {Encoder: (28, 28, 1), Decoder: (16,), Discriminator: (28, 28, 1)}


@pytest.fixture(scope="module")
def networks():
    return {kind: kind(rngs=nnx.Rngs(jax.random.key(i))) for i, kind in enumerate(NETWORKS)}


def images(count, seed=0):
    return jax.random.uniform(jax.random.key(seed), (count, 28, 28, 1), jnp.float32)


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_table_of_the_docstring_is_true(networks, kind):
    rows = re.findall(r"^ {4}(?:convolution|dense).*?  +(\S.*?)  +([\d,]+)$", inspect.getdoc(kind), re.MULTILINE)
    x = jnp.zeros((2, *NETWORKS[kind]), jnp.float32)
    outputs = jax.eval_shape(lambda x: list(networks[kind].layers(x)), x)
    assert len(rows) == len(outputs)
    for (shape, _), output in zip(rows, outputs, strict=True):
        expected = [16 if part == "latent" else int(part) for part in re.findall(r"\d+|latent", shape)]
        assert list(output.shape[1:]) == expected
    counts = [int(count.replace(",", "")) for _, count in rows]
    sizes = [math.prod(leaf.shape) for leaf in jax.tree.leaves(nnx.state(networks[kind]))]
    weights_and_biases = sorted(a + b for a, b in zip(sizes[::2], sizes[1::2], strict=True))
    assert sorted(counts) == weights_and_biases
    assert f"{sum(sizes):,} in all" in inspect.getdoc(kind)


def test_codes_images_and_logits(networks):
    encoder, decoder, discriminator = (jax.jit(networks[kind].__call__) for kind in NETWORKS)
    z = encoder(images(3))
    assert z.shape == (3, 16)
    made = decoder(z)
    assert made.shape == (3, 28, 28, 1)
    assert discriminator(made).shape == (3, 11)
    assert {z.dtype, made.dtype} == {jnp.dtype("float32")}
    assert 0 < float(made.min()) < float(made.max()) < 1


def test_each_image_is_coded_for_itself(networks):
    for kind, shape in NETWORKS.items():
        x = jax.random.uniform(jax.random.key(1), (4, *shape), jnp.float32)
        network = jax.jit(networks[kind].__call__)
        np.testing.assert_allclose(network(x)[1:2], network(x[1:2]), rtol=1e-4, atol=1e-5)


def test_a_code_of_another_length():
    def both(x):
        z = Encoder(3, rngs=nnx.Rngs(0))(x)
        return z, Decoder(3, rngs=nnx.Rngs(0))(z)

    z, made = jax.eval_shape(both, images(2))
    assert z.shape == (2, 3)
    assert made.shape == (2, 28, 28, 1)
    encoder, decoder = Encoder(3, rngs=nnx.Rngs(0)), Decoder(3, rngs=nnx.Rngs(1))
    h = jax.random.normal(jax.random.key(0), (2, 128))
    kernel, bias = (np.asarray(a[...], np.float64) for a in (encoder.code.kernel, encoder.code.bias))
    z = encoder.code(h)
    np.testing.assert_allclose(z, np.asarray(h, np.float64) @ kernel + bias, rtol=1e-4, atol=1e-5)
    kernel, bias = (np.asarray(a[...], np.float64) for a in (decoder.wide.kernel, decoder.wide.bias))
    wide = np.asarray(z, np.float64) @ kernel + bias
    np.testing.assert_allclose(next(decoder.layers(z)), np.where(wide < 0, 0.2 * wide, wide), rtol=1e-4, atol=1e-5)


def test_values_are_laid_out_as_blocks():
    h = jnp.arange(2 * 3 * 8, dtype=jnp.float32).reshape(1, 2, 3, 8)
    wide = autoencoder._laid_out(h)
    assert wide.shape == (1, 4, 6, 2)
    for row, column, i, j, c in np.ndindex(2, 3, 2, 2, 2):
        assert wide[0, 2 * row + i, 2 * column + j, c] == h[0, row, column, (2 * i + j) * 2 + c]


def test_every_weight_has_a_slope(networks):
    coder = networks[Encoder], networks[Decoder]
    form, weights = nnx.split(coder)

    def error(weights):
        encoder, decoder = nnx.merge(form, weights)
        return jnp.sum((decoder(encoder(images(8))) - images(8)) ** 2)

    for slope in jax.tree.leaves(jax.jit(jax.grad(error))(weights)):
        assert np.isfinite(slope).all()
        assert np.any(np.asarray(slope) != 0)
