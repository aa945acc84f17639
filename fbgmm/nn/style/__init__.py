"""Style transfer (section 3.2.2): VGG19, Gram matrices, their distribution, and images made from them."""

from .blending import Blend, blended, blending_ratio, crop_grams, fit_blend
from .gram_matrices import gram, mean_gram, nearest_psd, pack, pack_all, psd_gap, unpack, unpack_all
from .gram_mixture import SAMPLERS, GramMixture, Sampler
from .transfer import Stylised, TransferSettings, content_loss, grams_of, layer_weights, style_loss, stylise
from .vgg import VGG19, load_vgg19

__all__ = [
    "SAMPLERS",
    "VGG19",
    "Blend",
    "GramMixture",
    "Sampler",
    "Stylised",
    "TransferSettings",
    "blended",
    "blending_ratio",
    "content_loss",
    "crop_grams",
    "fit_blend",
    "gram",
    "grams_of",
    "layer_weights",
    "load_vgg19",
    "mean_gram",
    "nearest_psd",
    "pack",
    "pack_all",
    "psd_gap",
    "style_loss",
    "stylise",
    "unpack",
    "unpack_all",
]
