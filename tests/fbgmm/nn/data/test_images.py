"""Pictures as users have them: grey, alpha, CMYK, palettes, 16 bits, turned, cut, tiny, none at all."""

import jax
import numpy as np
import pytest
from PIL import Image

from fbgmm.nn.data.images import LEAST, ImageError, crops, load_image, save_image, to_bytes

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (40, 60, 3)).astype(np.uint8)


def saved(tmp_path, image, name="picture.png", **options):
    path = tmp_path / name
    image.save(path, **options)
    return path


def test_red_green_and_blue_as_they_are(tmp_path):
    found = load_image(saved(tmp_path, Image.fromarray(COLOURS)))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, COLOURS)


def test_grey_palette_and_16_bits(tmp_path):
    grey = COLOURS[..., 0]
    for image in (Image.fromarray(grey), Image.fromarray(grey.astype(np.uint16) * 257)):
        np.testing.assert_array_equal(load_image(saved(tmp_path, image)), np.repeat(grey[..., None], 3, 2))
    palette = Image.fromarray(COLOURS).quantize(16)
    np.testing.assert_array_equal(load_image(saved(tmp_path, palette)), np.asarray(palette.convert("RGB")))


def test_what_is_transparent_shows_white(tmp_path):
    alpha = np.full((40, 60), 255, np.uint8)
    alpha[:20] = 0
    found = load_image(saved(tmp_path, Image.fromarray(np.dstack([COLOURS, alpha]))))
    assert (found[:20] == 255).all()
    np.testing.assert_array_equal(found[20:], COLOURS[20:])
    grey = Image.fromarray(np.dstack([COLOURS[..., 0], alpha]))
    assert (load_image(saved(tmp_path, grey))[:20] == 255).all()


def test_cmyk(tmp_path):
    blue = Image.new("CMYK", (50, 40), (255, 255, 0, 0))
    found = load_image(saved(tmp_path, blue, "picture.tif"))
    np.testing.assert_array_equal(found, np.broadcast_to([0, 0, 255], (40, 50, 3)))


def test_it_is_turned_as_its_exif_data_say(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 270° to see it upright
    found = load_image(saved(tmp_path, Image.fromarray(COLOURS), exif=exif))
    np.testing.assert_array_equal(found, np.rot90(COLOURS, 3))


def test_size_is_that_of_the_longer_side(tmp_path):
    path = saved(tmp_path, Image.fromarray(COLOURS))
    assert load_image(path, 90).shape == (60, 90, 3)
    assert load_image(path, 48).shape == (32, 48, 3)
    with pytest.raises(ImageError, match=r"picture\.png has 47 × 31 pixels at size 47; allowed: 32 or more"):
        load_image(path, 47)


def test_tiny_pictures_are_refused(tmp_path):
    path = saved(tmp_path, Image.fromarray(COLOURS[:31]))
    with pytest.raises(ImageError, match=r"60 × 31 pixels; allowed: 32 or more on the shorter side"):
        load_image(path)


def test_what_is_no_picture_is_refused(tmp_path):
    whole = saved(tmp_path, Image.fromarray(COLOURS)).read_bytes()
    damaged = {"text.png": b"not a picture", "cut.png": whole[: len(whole) // 2], "empty.jpg": b""}
    for name, data in damaged.items():
        (tmp_path / name).write_bytes(data)
    for name in (*damaged, "absent.png", "."):
        with pytest.raises(ImageError, match="cannot be read as a picture"):
            load_image(tmp_path / name)


def test_crops_are_parts_of_the_picture():
    image = RNG.uniform(0, 255, (40, 50, 3)).astype(np.float32)
    found = crops(jax.random.key(0), image, LEAST, 30)
    windows = np.lib.stride_tricks.sliding_window_view(image, (LEAST, LEAST), axis=(0, 1))
    places = set()
    for crop in found:
        where = np.argwhere((windows == np.moveaxis(crop, 2, 0)[None, None]).all((2, 3, 4)))
        assert len(where) == 1
        places.add(tuple(where[0]))
    assert len(places) > 20
    tops, lefts = zip(*places, strict=True)
    assert min(tops) == 0
    assert max(tops) == 8
    assert min(lefts) <= 1
    assert max(lefts) >= 17
    np.testing.assert_array_equal(found, crops(jax.random.key(0), image, LEAST, 30))


@pytest.mark.parametrize("side", [31, 41])
def test_sides_of_crops_have_bounds(side):
    with pytest.raises(ValueError, match=rf"side must be from 32 to 40.*found {side}"):
        crops(jax.random.key(0), np.zeros((40, 50, 3), np.float32), side, 1)


def test_pictures_are_written_whole_and_cut_to_bytes(tmp_path):
    image = COLOURS.astype(np.float32) * 2 - 100
    path = save_image(tmp_path / "made.png", image)
    np.testing.assert_array_equal(load_image(path), to_bytes(image))
    assert to_bytes(image).min() == 0
    assert to_bytes(image).max() == 255
    assert [p.name for p in tmp_path.iterdir()] == ["made.png"]
