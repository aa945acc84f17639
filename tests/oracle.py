"""The paper's algorithms point by point, as its boxes print them: slow, obvious, float64 NumPy and SciPy only.

Nothing here is shared with fbgmm: this is what the fast code is measured against. Line numbers are those of the boxes
of Algorithms 1 and 2 in section 2.4. The means are the centres of the cells, as everywhere in this project.
"""

import numpy as np
from scipy import special, stats


def grid(low, high, n, t):
    """Means, spacing and sigma (lines 2 to 4 of both boxes)."""
    r = (high - low) / n
    mu = np.array([low + (i + 0.5) * r for i in range(n)])
    return mu, r, t * r


def mass(mu, sigma, a, b):
    """Probability of the interval (a, b] under each component: the P_g_i of Eq. 7."""
    return special.ndtr((b - mu) / sigma) - special.ndtr((a - mu) / sigma)


def algorithm1(x, low, high, n, t, variant="means", d=0.25):
    """Weights after the loop of Algorithm 1, before it normalises them (line 16)."""
    mu, r, sigma = grid(low, high, n, t)
    d = d * sigma
    pi = np.full(n, 1 / n)
    for x_j in x:
        mu_i = mu[np.argmin(np.abs(x_j - mu))]  # line 8
        k_mid = (mu_i - d / 2, mu_i + d / 2) if variant == "short_mid" else (mu_i - d, mu_i + d)
        k_above = (mu_i + r - d, mu_i + r)
        start = x_j - r if variant == "point_side" else mu_i - r
        k_below = (start, start + d)
        middle = mass(mu, sigma, *k_mid)
        dL_above = middle - mass(mu, sigma, *k_above)
        dL_below = middle - mass(mu, sigma, *k_below)
        pi = pi + (dL_above + dL_below) / 2  # lines 13 and 14
    return pi


def algorithm2(x, low, high, n, t, variant="plain", d=0.25):
    """Weights after the loop of Algorithm 2, before it normalises them (line 14)."""
    mu, r, sigma = grid(low, high, n, t)
    d = d * sigma
    dL = mass(0.0, sigma, -d, d) - mass(0.0, sigma, r - d, r)  # line 8
    pi = np.full(n, 1 / n)
    for x_j in x:
        i = np.argmin(np.abs(x_j - mu))
        pi[i] += dL
        if variant == "plain":
            continue
        share = dL / (len(x) if variant == "minus_dL_over_N" else n)
        for m in range(n):  # line 12
            if m != i:
                pi[m] -= share
        if variant == "minus_dL_over_n_clipped":
            pi = np.maximum(pi, 0)
    return pi


def normalised(pi, clip=False):
    pi = np.maximum(pi, 0) if clip else pi
    return pi / pi.sum()


def points_inside_cells(rng, low, high, n, size):
    """Random points, many in some cells and none in others, none within rounding of an edge between two cells."""
    share = rng.dirichlet(np.full(n, 0.3))
    cell = rng.choice(n, size=size, p=share)
    return low + (cell + rng.uniform(0.02, 0.98, size)) * (high - low) / n


# A mixture's functions over its means, in float64.


def _logs(gmm):
    b = gmm.basis
    with np.errstate(divide="ignore"):
        log_pi = np.log(np.asarray(gmm.pi, np.float64))
    return log_pi, np.asarray(b.mu, np.float64), float(b.sigma)


def log_prob(gmm, x):
    log_pi, mu, sigma = _logs(gmm)
    return special.logsumexp(log_pi + stats.norm.logpdf(np.asarray(x, np.float64)[..., None], mu, sigma), axis=-1)


def prob(gmm, x):
    return np.exp(log_prob(gmm, x))


def cdf(gmm, x):
    log_pi, mu, sigma = _logs(gmm)
    return (np.exp(log_pi) * stats.norm.cdf(np.asarray(x, np.float64)[..., None], mu, sigma)).sum(-1)


def score(gmm, x):
    """d log g / dx."""
    log_pi, mu, sigma = _logs(gmm)
    z = (np.asarray(x, np.float64)[..., None] - mu) / sigma
    terms = log_pi - z**2 / 2
    share = np.exp(terms - special.logsumexp(terms, axis=-1, keepdims=True))
    return -(share * z).sum(-1) / sigma


def gaussians_at_bins(basis, refine, factor=1.0):
    """exp(−½z²) at the bins' centres, shape (bins, n), the obvious way."""
    r, sigma = float(basis.r), float(basis.sigma) * factor
    b = (np.arange(basis.capacity * refine) + 0.5) * r / refine
    mu = (np.arange(basis.capacity) + 0.5) * r
    return np.exp(-0.5 * ((b[:, None] - mu[None, :]) / sigma) ** 2)
