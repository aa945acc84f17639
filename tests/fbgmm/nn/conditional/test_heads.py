"""`DensityHead`: bases from targets, both forms, inside networks, tied, constant, single and bad targets."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy import stats

import fbgmm
from fbgmm.nn.conditional.component_count import components_for
from fbgmm.nn.conditional.heads import DensityHead, rounding
from tests import head_oracle, oracle

H = jax.random.normal(jax.random.key(0), (5, 4))
TARGETS = np.random.default_rng(0).gamma(2.0, 3.0, 400)
FORMS = DensityHead.from_targets, DensityHead.residual


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_weights_are_probabilities_and_no_target_has_density_zero(form):
    head = form(4, TARGETS, rngs=nnx.Rngs(0))
    far = np.asarray(head(H).log_prob(np.array([-40.0, 60.0, 0.0, 50.0, 1e3])))
    assert (far > -500).all()
    assert (far[:4] > -20).all()  # ten deviations outside the basis: the wide components
    density = head(1000 * H)  # far from where it began
    np.testing.assert_allclose(jnp.sum(jnp.exp(density.log_pi), axis=-1), 1, atol=1e-5)
    assert np.isfinite(density.log_prob(np.array([-50.0, 200.0, 0.0, 80.0, 1e3]))).all()


def test_the_residual_form_begins_as_a_normal_density():
    head = DensityHead.residual(4, TARGETS, n=24, rngs=nnx.Rngs(0))
    density = head(0 * H)
    deviation = TARGETS.std()
    y = (TARGETS.mean() + deviation * np.linspace(-2, 2, 5)).astype(np.float32)
    expected = np.exp(-0.5 * np.linspace(-2, 2, 5) ** 2) / deviation / np.sqrt(2 * np.pi)
    np.testing.assert_allclose(density.prob(y), expected, rtol=0.06)


@pytest.mark.parametrize("locations", [1, 2])
def test_the_residual_form_begins_with_the_targets_deviation_where_they_are_rounded(locations):
    marks = np.random.default_rng(0).integers(3, 9, 400)
    density = DensityHead.residual(4, marks, 48, locations=locations, rngs=nnx.Rngs(0))(jnp.zeros((1, 4)))
    if locations == 1:
        assert float(density.mean()[0]) == pytest.approx(marks.mean(), rel=1e-3)
        wide = 0.005 * (3**2 + 12**2)  # of the two components for the tails
        expected = (marks.var() * (1 + wide) + 1 / 12) / 1.01
        assert float(density.variance()[0]) == pytest.approx(expected, rel=0.03)
    narrowest = np.sqrt(marks.var() / 36 + 1 / 12)  # sigma is 1/6 of the scale
    assert float(density.sigma.min()) == pytest.approx(narrowest, rel=1e-3)


@pytest.mark.slow
def test_a_network_learns_two_branches():
    """y = ±x: a mean says 0, a density says both."""
    key_x, key_sign, key_noise = jax.random.split(jax.random.key(0), 3)
    x = jax.random.uniform(key_x, (512, 1), minval=1.0, maxval=2.0)
    y = x[:, 0] * jax.random.rademacher(key_sign, (512,), float) + 0.1 * jax.random.normal(key_noise, (512,))
    rngs = nnx.Rngs(0)
    net = nnx.Sequential(nnx.Linear(1, 16, rngs=rngs), jax.nn.relu, DensityHead.from_targets(16, y, 48, rngs=rngs))
    form, weights, rest = nnx.split(net, nnx.Param, ...)

    @jax.jit
    def learn(weights):
        def step(state, _):
            weights, speed = state
            slope = jax.grad(lambda w: -jnp.mean(nnx.merge(form, w, rest)(x).log_prob(y)))(weights)
            speed = jax.tree.map(lambda v, g: 0.9 * v - 0.1 * g, speed, slope)
            return (jax.tree.map(jnp.add, weights, speed), speed), None

        return jax.lax.scan(step, (weights, jax.tree.map(jnp.zeros_like, weights)), length=400)[0][0]

    density = nnx.merge(form, learn(weights), rest)(jnp.full((1, 1), 1.5))
    assert float(density.prob(1.5)[0]) > 5 * float(density.prob(0.0)[0])
    assert float(density.prob(-1.5)[0]) > 5 * float(density.prob(0.0)[0])
    assert 0.3 < float(density.exceeds(0.0)[0]) < 0.7


def test_only_the_layers_are_learned():
    head = DensityHead.residual(4, TARGETS, rngs=nnx.Rngs(0))
    _, params, fixed = nnx.split(head, nnx.Param, ...)
    assert set(params.keys()) == {"logits", "place"}
    assert set(fixed.keys()) == {"mu", "sigma", "least"}


def test_scales_add_wider_components_at_wider_spacings():
    basis = fbgmm.init_basis(0.0, 16.0, n=16, t=1.0)
    head = DensityHead(4, basis, scales=(1, 4), rngs=nnx.Rngs(0))
    assert head.mu[...].shape == (16 + 4 + 2,)
    np.testing.assert_allclose(head.mu[...][16:20], [2, 6, 10, 14])
    np.testing.assert_allclose(head.sigma[...][16:20], 4)


def test_rounding_is_the_least_distance_of_different_targets():
    assert float(rounding(np.array([5, 6, 5, 8, 3.0]))) == 1
    assert float(rounding(np.round(TARGETS, 1))) == pytest.approx(0.1, rel=1e-3)
    assert float(rounding(np.array([5.0, 5.5, 7.0]), np.array([1, 0, 1]))) == 2
    assert float(rounding(np.array([4.0, 4.0]))) == 0
    assert float(rounding(np.array([4.0]))) == 0


@pytest.mark.parametrize("form", [FORMS[0], pytest.param(FORMS[1], marks=pytest.mark.slow)])
def test_no_component_is_finer_than_the_targets_were_rounded(form):
    marks = np.random.default_rng(0).integers(3, 9, 200)
    density = form(4, marks, rngs=nnx.Rngs(0))(-1000 * H)
    least = float(jnp.min(density.sigma * density.scale[..., None]))
    assert least >= 0.999 / np.sqrt(12)
    assert float(density.log_prob(np.full(5, 5.0)).max()) < 1.3 - np.log(2 * np.pi) / 2  # 1.24 = log √12


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("targets", [[7.0] * 20, [7.0], [0.0, 0.0], [7.0, 7.0, 7.0, 8.0]])
def test_constant_single_and_tied_targets_give_finite_densities(form, targets):
    y = np.array(targets)
    head = form(4, y, rngs=nnx.Rngs(0))
    size = y.std() if np.ptp(y) else max(abs(y.mean()), 1)  # without a width of their own they get that of their size
    low, high = (y.min(), y.max()) if np.ptp(y) else (y.mean() - size, y.mean() + size)
    if form == DensityHead.residual:
        place, scale = head.place.bias[...]
        assert float(place) == pytest.approx(y.mean(), rel=1e-6)
        assert float(jax.nn.softplus(scale)) == pytest.approx(size, rel=1e-5)
        low, high, n, wide = -4.0, 4.0, 24, [3, 12]
    else:
        low, high, n, wide = low - 0.05 * (high - low), high + 0.05 * (high - low), 64, [3 * size, 12 * size]
    mu, r, _ = oracle.grid(low, high, n, 1.0)
    np.testing.assert_allclose(head.mu[...], [*mu, *2 * [(low + high) / 2]], rtol=1e-5, atol=1e-5)
    rounded = np.sqrt(1 / 12) if np.ptp(y) else 0  # to whole numbers
    np.testing.assert_allclose(head.sigma[...][-2:], wide, rtol=1e-5)
    narrow = max(r, rounded) if form == DensityHead.from_targets else r
    np.testing.assert_allclose(head.sigma[...][:-2], narrow, rtol=1e-5)

    def loss(h):
        return -jnp.mean(head(h).log_prob(jnp.full(5, targets[0])))

    def expected(h):
        return -head_oracle.log_prob(head, h, np.full(5, targets[0])) / 5

    value, slope = jax.jit(jax.value_and_grad(loss))(H)
    assert float(value) == pytest.approx(expected(H).sum(), rel=1e-5, abs=1e-5)
    np.testing.assert_allclose(slope, head_oracle.slopes(expected, H), rtol=1e-3, atol=2e-5)


def test_bad_arguments_are_refused():
    rngs = nnx.Rngs(0)
    with pytest.raises(ValueError, match="y must be finite; found 1 targets that are not"):
        DensityHead.from_targets(4, np.array([1.0, np.nan, 2.0]), rngs=rngs)
    with pytest.raises(ValueError, match="y holds no targets with a weight above zero; found 2"):
        DensityHead.residual(4, np.array([1.0, 2.0]), weights=np.zeros(2), rngs=rngs)
    with pytest.raises(ValueError, match="one dimension"):
        DensityHead.from_targets(4, np.ones((3, 2)), rngs=rngs)
    with pytest.raises(ValueError, match="features must be at least 1; found 0"):
        DensityHead(0, fbgmm.init_basis(0.0, 1.0), rngs=rngs)
    with pytest.raises(ValueError, match="basis must be one basis"):
        DensityHead(4, fbgmm.init_basis(np.zeros(2), 1.0), rngs=rngs)
    with pytest.raises(ValueError, match="scales must be numbers of at least 1"):
        DensityHead(4, fbgmm.init_basis(0.0, 1.0), scales=(), rngs=rngs)


def test_absent_targets_do_not_count():
    y, w = np.array([1.0, 2.0, 5.0, np.nan]), np.array([1, 1, 1, 0])
    with_padding = DensityHead.from_targets(4, y, weights=w, rngs=nnx.Rngs(0))
    without = DensityHead.from_targets(4, y[:3], rngs=nnx.Rngs(0))
    np.testing.assert_array_equal(with_padding.mu[...], without.mu[...])


def test_it_is_made_under_vmap():
    y = np.stack([TARGETS, 5 * TARGETS]).astype(np.float32)

    def mus(y):
        return nnx.state(DensityHead.from_targets(4, y, 8, rngs=nnx.Rngs(0)))["mu"][...]

    found = jax.vmap(mus)(jnp.asarray(y))
    assert found.shape == (2, 10)
    np.testing.assert_allclose(found[1], 5 * found[0], rtol=1e-4)


@pytest.mark.parametrize("scales", [(1,), (1, 4)])
def test_the_plain_form_begins_with_algorithm_2s_density_of_all_targets(scales):
    head = DensityHead.from_targets(4, TARGETS, n=64, scales=scales, rngs=nnx.Rngs(0))
    margin = 0.05 * np.ptp(TARGETS)
    ends = TARGETS.min() - margin, TARGETS.max() + margin
    y = np.linspace(0.5, 20, 40).astype(np.float32)
    fits = []
    for s in scales:
        pi = oracle.normalised(oracle.algorithm2(TARGETS, *ends, 64 // s, 1.0))
        mu, _, sigma = oracle.grid(*ends, 64 // s, 1.0)
        fits.append(stats.norm.pdf(y[:, None], mu, sigma) @ pi)
    even = 1 / np.ptp(ends)
    expected = (0.9 * np.mean(fits, axis=0) + 0.1 * even) * (1 - 0.01 / 1.01)
    found = jax.jit(lambda h: head(h).prob(y[:, None]))(jnp.zeros((1, 4)))
    np.testing.assert_allclose(found[:, 0], expected, rtol=0.05)


@pytest.mark.parametrize("form", [FORMS[0], pytest.param(FORMS[1], marks=pytest.mark.slow)])
def test_one_learned_number_scales_all_narrow_sigmas(form):
    head, fixed = (form(4, TARGETS, learn_sigma=learn, rngs=nnx.Rngs(0)) for learn in (True, False))
    np.testing.assert_allclose(head(H).sigma, fixed(H).sigma, rtol=1e-6)
    weights = nnx.split(head, nnx.Param, ...)[1]
    assert len(jax.tree.leaves(weights)) == len(jax.tree.leaves(nnx.split(fixed, nnx.Param, ...)[1])) + 1
    slope = nnx.grad(lambda head: -jnp.mean(head(H).log_prob(np.linspace(1, 9, 5))))(head)
    assert abs(float(slope["log_factor"][...])) > 1e-4
    head.log_factor = nnx.Param(jnp.log(0.5))
    ratio = np.asarray(head(H).sigma / fixed(H).sigma).reshape(-1, fixed(H).sigma.shape[-1])[0]
    np.testing.assert_allclose(ratio[:-2], 0.5, rtol=1e-3)  # beside the least width
    np.testing.assert_allclose(ratio[-2:], 1)


def test_a_learned_sigma_stays_above_what_rounding_leaves_open():
    marks = np.random.default_rng(0).integers(3, 9, 200).astype(np.float32)
    head = DensityHead.from_targets(4, marks, learn_sigma=True, rngs=nnx.Rngs(0))
    head.log_factor = nnx.Param(jnp.asarray(-20.0))
    assert float(jnp.min(head(H).sigma)) == pytest.approx(1 / np.sqrt(12), rel=1e-4)


@pytest.mark.slow
def test_the_targets_choose_the_number_of_components():
    head = DensityHead.from_targets(4, TARGETS, n=None, rngs=nnx.Rngs(0))
    assert head.mu[...].shape == (components_for(TARGETS) + 2,)
    with pytest.raises(ValueError, match="n must be a number where the targets are traced; found None"):
        jax.jit(lambda y: DensityHead.from_targets(4, y, n=None, rngs=nnx.Rngs(0))(H).mean())(TARGETS)
