"""Changes of the training images that leave what they show: training sees each image anew in every step.

Few images are soon learned by heart. Moved, scaled, mirrored and tinted by chance, they tell the networks
what does not matter. Nothing else sees these copies: validation, evaluation and the prior that is fitted
after training have the images as they are, so samples are drawn of what the images show, not of the copies.
"""

import tensorflow as tf

from training.configs.sections import Augmentation
from training.models.parts import Part
from training.types import Tensor

NUMBERS = 10  # of chance, for each image


def augmented(images: Tensor, section: Augmentation, seed: Tensor, part: Part | None = None) -> Tensor:
    """Return images, (B, H, W) or (B, H, W, 3) in [0, 1], each changed by chance as the section says.

    A pure function of `seed`, two integers. A `part` of a batch is changed as it is in the whole batch. What
    moves in from outside repeats the outermost pixels.
    """
    if not section.changes:
        return images
    size = tf.shape(images)[0] if part is None else part.whole
    uniform = tf.random.stateless_uniform((size, NUMBERS), seed, -1.0, 1.0, alg="philox")
    if part is not None:
        uniform = uniform[part.images]
    maps = images if len(images.shape) == 4 else images[..., None]
    if section.shift or section.zoom or section.mirror:
        factor = tf.exp(section.zoom * uniform[:, 0])
        turned = tf.where(uniform[:, 1] < 0.0, -1.0, 1.0) if section.mirror else 1.0
        down = _resampling(maps.shape[1], factor, section.shift * uniform[:, 2])
        across = _resampling(maps.shape[2], factor * turned, section.shift * uniform[:, 3])
        maps = tf.einsum("bih,bhwc->biwc", down, maps)
        maps = tf.einsum("bjw,biwc->bijc", across, maps)
    if section.tint:
        gain = 1.0 + section.tint * uniform[:, 4:7]
        offset = 0.5 * section.tint * uniform[:, 7:10]
        channels = maps.shape[-1]
        gain, offset = (part[:, None, None, :channels] for part in (gain, offset))
        maps = tf.clip_by_value((maps - 0.5) * gain + 0.5 + offset, 0.0, 1.0)
    return tf.reshape(maps, (-1, *images.shape[1:]))


def _resampling(side: int, factor: Tensor, shift: Tensor) -> Tensor:
    """Return (B, side, side), the weights by which pixels along a side become those of the changed image.

    Pixel i of the result is read at c + factor (i - c) + shift side, c the centre, linearly between two
    pixels; `factor` and `shift` are (B,).
    """
    places = tf.range(side, dtype=tf.float32)
    centre = (side - 1) / 2
    read = centre + factor[:, None] * (places - centre) + side * shift[:, None]
    read = tf.clip_by_value(read, 0.0, side - 1.0)
    return tf.maximum(0.0, 1.0 - tf.abs(read[:, :, None] - places))
