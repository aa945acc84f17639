"""Style transfer (section 3.2.2): VGG19, Gram matrices, their distribution, and images made from them."""

from .blending import Blend as Blend
from .blending import blended as blended
from .blending import blending_ratio as blending_ratio
from .blending import crop_grams as crop_grams
from .blending import fit_blend as fit_blend
from .gram_matrices import gram as gram
from .gram_matrices import mean_gram as mean_gram
from .gram_matrices import nearest_psd as nearest_psd
from .gram_matrices import pack as pack
from .gram_matrices import pack_all as pack_all
from .gram_matrices import psd_gap as psd_gap
from .gram_matrices import unpack as unpack
from .gram_matrices import unpack_all as unpack_all
from .gram_mixture import SAMPLERS as SAMPLERS
from .gram_mixture import GramMixture as GramMixture
from .gram_mixture import Sampler as Sampler
from .transfer import Stylised as Stylised
from .transfer import TransferSettings as TransferSettings
from .transfer import content_loss as content_loss
from .transfer import grams_of as grams_of
from .transfer import layer_weights as layer_weights
from .transfer import style_loss as style_loss
from .transfer import stylise as stylise
from .vgg import VGG19 as VGG19
from .vgg import load_vgg19 as load_vgg19
