"""Frame to input tensor: decode, fit, scale, colour and quantise, each once and in the cheapest place.

Scaling halves exactly first (averages of pairs) and interpolates the rest where little is left, so that nothing
aliases. Colour is changed on the small picture; quantising is a table, an XOR, or nothing where the table is the
identity.
"""

from __future__ import annotations

import contextlib
import math
from typing import Any, NamedTuple

import cv2
import numpy as np

from edge.errors import CameraError, ConfigError, ModelError
from edge.models.card import Input
from edge.scale import Step, plan, scale
from edge.types import Array, Fit, Frame, TensorSpec

Box = tuple[int, int, int, int]
"""x, y, width, height in pixels."""

EXACT = 0.9
"""The share of each side that a crop keeps at least, to come out even."""

PADDING = 128
"""Grey around a letterboxed picture: the middle of the range, which is zero to the network."""

MOST_RECIPES = 16
"""A folder of pictures of all sizes must not fill the memory with buffers."""

REDUCED = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}


def regions(fit: Fit, source: tuple[int, int], target: tuple[int, int]) -> tuple[Box, Box]:
    """Which part of a `source` of (width, height) goes to which part of a `target`.

    squash: all to all. crop: the largest centred part of the target's shape, or up to a tenth less of each side where
    that halves to the target exactly (640 x 480 for 224 x 224: 448 x 448, not 480 x 480). letterbox: all, with room
    around it.
    """
    (w, h), (tw, th) = source, target
    if fit == "crop":
        cw, ch = _exact(_inside((tw, th), (w, h)), target)
        return ((w - cw) // 2, (h - ch) // 2, cw, ch), (0, 0, tw, th)
    if fit == "letterbox":
        lw, lh = _inside((w, h), (tw, th))
        return (0, 0, w, h), ((tw - lw) // 2, (th - lh) // 2, lw, lh)
    return (0, 0, w, h), (0, 0, tw, th)


def _exact(part: tuple[int, int], target: tuple[int, int]) -> tuple[int, int]:
    """`part`, or the next smaller power of two times `target`: there the slower half of the scaling falls away.

    For scale: the weights that ship were scored by their makers on the central 87.5 % of each side.
    """
    (w, h), (tw, th) = part, target
    factor = 1 << max(0, min(w // tw, h // th).bit_length() - 1)
    near = EXACT * w <= factor * tw <= w and EXACT * h <= factor * th <= h
    return (factor * tw, factor * th) if near else part


def _inside(shape: tuple[int, int], room: tuple[int, int]) -> tuple[int, int]:
    """The largest (width, height) of the proportions of `shape` that fits into `room`; at least one pixel."""
    (w, h), (rw, rh) = shape, room
    if w * rh >= h * rw:
        return rw, max(1, round(h * rw / w))
    return max(1, round(w * rh / h)), rh


def reduction(fit: Fit, source: tuple[int, int], target: tuple[int, int]) -> int:
    """The largest of 1, 2, 4, 8 by which a JPEG of `source` can be decoded smaller and still cover the model."""
    (_, _, w, h), (_, _, tw, th) = regions(fit, source, target)
    return max(n for n in (1, 2, 4, 8) if n == 1 or (w // n >= tw and h // n >= th))


def decode(frame: Frame, fit: Fit = "squash", target: tuple[int, int] | None = None) -> Array:
    """The picture of a frame, H x W x 3 uint8; a JPEG as small as still covers `target`. Raises CameraError."""
    if frame.pixel_format != "MJPG":
        return frame.pixels
    n = 1 if target is None else reduction(fit, frame.size, target)
    picture = None
    with contextlib.suppress(cv2.error):  # raised for a JPEG of no bytes at all
        picture = cv2.imdecode(frame.pixels, REDUCED.get(n, cv2.IMREAD_COLOR))
    if picture is None:
        raise CameraError(f"frame {frame.index}: the camera sent a JPEG that cannot be decoded; check its cable")
    return picture


class Recipe(NamedTuple):
    """What is done with pictures of one size: the steps, and the part of the target they fill; None: all of it."""

    steps: list[Step]
    region: tuple[slice, slice] | None


class Preprocessor:
    """Turns frames into the tensor that `spec` describes. Not for use by several threads at once."""

    def __init__(self, spec: TensorSpec, fit: Fit = "squash", normalisation: Input | None = None) -> None:
        self.fit = fit
        self.spec = spec
        self.size, self._planar = layout(spec)
        self._table = table(spec, normalisation)
        self._recipes: dict[tuple[int, ...], Recipe] = {}
        w, h = self.size
        self._picture = np.empty((h, w, 3), np.uint8)
        # Where a byte needs at most an XOR, the picture is made in the tensor itself.
        self._flip = _xor(self._table)
        self._direct = not self._planar and self._flip is not None

    def new_tensor(self) -> Array:
        """A tensor to fill; the loop keeps a few of them, so that frames overlap."""
        return np.empty(self.spec.shape, self.spec.dtype)

    def __call__(self, frame: Frame, out: Array) -> Array:
        """Fill `out`, a tensor of `spec`, from a frame; returns it. Raises CameraError for a broken JPEG."""
        picture = frame.pixels if frame.pixel_format != "MJPG" else decode(frame, self.fit, self.size)
        steps, region = self._recipes.get(picture.shape) or self._new_recipe(picture)
        target = out.view(np.uint8)[0] if self._direct else self._picture
        if region is None:
            scale(steps, picture, target)
        else:
            target[...] = PADDING
            scale(steps, picture, target[region])
        if frame.pixel_format != "RGB":
            cv2.cvtColor(target, cv2.COLOR_BGR2RGB, dst=target)
        self._quantise(target, out)
        return out

    def _new_recipe(self, picture: Array) -> Recipe:
        (x, y, w, h), (tx, ty, tw, th) = regions(self.fit, (picture.shape[1], picture.shape[0]), self.size)
        everything = (tw, th) == self.size
        region = None if everything else (slice(ty, ty + th), slice(tx, tx + tw))
        recipe = Recipe(plan((h, w), (th, tw), (y, x)), region)
        if len(self._recipes) >= MOST_RECIPES:
            self._recipes.clear()
        self._recipes[picture.shape] = recipe
        return recipe

    def _quantise(self, target: Array, out: Array) -> None:
        if self._direct:
            if self._flip:
                np.bitwise_xor(target, self._flip, out=target)
            return
        values = cv2.LUT(target, self._table)
        out[0] = values.transpose(2, 0, 1) if self._planar else values


def layout(spec: TensorSpec) -> tuple[tuple[int, int], bool]:
    """(width, height) of the pictures that a model takes, and whether its channels come first. Raises ModelError."""
    shape = spec.shape
    if len(shape) == 4 and shape[0] == 1 and shape[3] == 3 and min(shape) > 0:
        return (shape[2], shape[1]), False
    if len(shape) == 4 and shape[0] == 1 and shape[1] == 3 and min(shape) > 0:
        return (shape[3], shape[2]), True
    words = "x".join(map(str, shape))
    raise ModelError(f"the model's input is {words}, not one RGB picture (1xHxWx3 or 1x3xHxW); give an image model")


def table(spec: TensorSpec, normalisation: Input | None) -> Array:
    """What each byte of each channel becomes in the tensor: 1 x 256 x 3 of the tensor's dtype. Raises ModelError."""
    if spec.dtype not in (np.uint8, np.int8, np.float32):
        raise ModelError(f"the model's input is {spec.dtype}, not uint8, int8 or float32; export it again")
    chosen = normalisation or assumed(spec)
    numbers = [*chosen.mean, *chosen.std]
    if len(chosen.mean) != 3 or len(chosen.std) != 3 or not all(map(math.isfinite, numbers)) or min(chosen.std) < 1e-6:
        raise ModelError(
            "the model's card: input.mean and input.std need three numbers each, std over 0; mend the card"
        )
    pixels = np.arange(256, dtype=np.float64)[None, :, None]
    return spec.quantize((pixels - np.asarray(chosen.mean)) / np.asarray(chosen.std))


def assumed(spec: TensorSpec) -> Input:
    """The normalisation of a model without a card.

    Pixels run from the one end of a quantised input to the other: as every MobileNet export has it, its scale and
    zero point span [-1, 1], [0, 1] or [0, 255]. Floats are taken as [-1, 1], the convention of MobileNet's reference.
    """
    if not spec.quantised:
        return Input(mean=[127.5] * 3, std=[127.5] * 3)
    return Input(mean=[float(spec.zero_point - np.iinfo(spec.dtype).min)] * 3, std=[1 / spec.scale] * 3)


def _xor(values: Array) -> int | None:
    """The number whose XOR makes the same of every byte as the table does; None where there is none."""
    if values.dtype == np.float32:
        return None
    first = np.arange(256, dtype=np.uint8)[None, :, None]
    return next(
        (flip for flip in (0, 128) if np.array_equal(values.view(np.uint8), np.repeat(first ^ flip, 3, 2))), None
    )


def frame_of(image: Any, captured_at_ns: int) -> Frame:
    """A frame of an image in memory: H x W x 3 uint8, RGB. Raises ConfigError for anything else."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        found = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ConfigError(f"an image must be a uint8 array of H x W x 3 (RGB), not {found}; convert it first")
    if image.size == 0:
        raise ConfigError(f"an image must not be empty, and this is {image.shape}; check where it comes from")
    return Frame(
        pixels=image, pixel_format="RGB", index=0, captured_at_ns=captured_at_ns, size=(image.shape[1], image.shape[0])
    )
