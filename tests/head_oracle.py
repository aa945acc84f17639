"""What a `DensityHead` predicts, in float64 NumPy and SciPy: from its learned numbers, and nothing of its code."""

import numpy as np
from scipy import special, stats

FLOOR = 1e-4  # of the mass, spread evenly over all components


def components(head, h):
    """log weights, means and standard deviations for features of shape (B, k), each (B, K)."""
    h = np.asarray(h, np.float64)
    log_pi = special.log_softmax(_linear(head.logits, h), axis=-1)
    K = log_pi.shape[-1]
    log_pi = np.log((1 - FLOOR) * np.exp(log_pi) + FLOOR / K)
    mu, sigma, least = (np.asarray(a[...], np.float64) for a in (head.mu, head.sigma, head.least))
    if head.place is None:
        return log_pi, np.broadcast_to(mu, log_pi.shape), np.broadcast_to(np.maximum(sigma, least), log_pi.shape)
    location, scale = _linear(head.place, h).T  # one location
    scale = np.logaddexp(scale, 0)[:, None]
    return log_pi, location[:, None] + scale * mu, np.hypot(scale * sigma, least)


def log_prob(head, h, y):
    """log p(y | h), shape (B,)."""
    log_pi, mu, sigma = components(head, h)
    return special.logsumexp(log_pi + stats.norm.logpdf(np.asarray(y)[:, None], mu, sigma), axis=-1)


def log_intervals(mu, sigma, low, high):
    """log P(low < Y ≤ high) of each component, shape (B, K): in that of its tails in which nothing cancels."""
    a, b = ((np.asarray(end, np.float64)[:, None] - mu) / sigma for end in (low, high))
    a, b = np.where(a + b > 0, -b, a), np.where(a + b > 0, -a, b)
    upper, lower = stats.norm.logcdf(b), stats.norm.logcdf(a)
    return upper + np.log1p(-np.exp(lower - upper))


def log_interval(log_pi, mu, sigma, low, high):
    """log P(low < Y ≤ high), shape (B,)."""
    return special.logsumexp(log_pi + log_intervals(mu, sigma, low, high), axis=-1)


def slopes(f, h, step=1e-5):
    """The derivatives of f(h), one number for each row of h and of it alone, by central differences."""
    h = np.asarray(h, np.float64)
    moves = step * np.eye(h.shape[1])
    return np.stack([f(h + move) - f(h - move) for move in moves], axis=1) / (2 * step)


def _linear(layer, h):
    return h @ np.asarray(layer.kernel[...], np.float64) + np.asarray(layer.bias[...], np.float64)
