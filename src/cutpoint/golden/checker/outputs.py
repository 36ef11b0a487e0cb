"""The decoded pixels and the outputs of the graph: a port's against the pack's."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from cutpoint.golden.checker.tensors import Finding

GRID = 16


def grid_of(pixels: np.ndarray) -> np.ndarray:
    """Means of up to 16 x 16 blocks of ``(H, W, 3)`` pixels, float32."""
    blocks = pixels.astype(np.float64)
    for axis in (0, 1):
        length = blocks.shape[axis]
        count = min(GRID, length)
        edges = np.arange(count + 1) * length // count
        blocks = np.add.reduceat(blocks, edges[:-1], axis)
        sizes = np.diff(edges)
        blocks = blocks / (sizes[:, None, None] if axis == 0 else sizes[:, None])
    return blocks.astype(np.float32)


def compare_pixels(grid: np.ndarray, facts: dict[str, Any], pixels: np.ndarray, tolerance: float) -> Finding:
    """Compare decoded pixels by the means of blocks.

    Args:
        grid: see ``grid_of``; red, green, blue.
        facts: the image's ``pixels`` in the pack.
        pixels: ``(H, W, 3)``, 0 to 255, red, green, blue.
        tolerance: the largest difference of two means, pixel levels.
    """
    size = facts["height"], facts["width"]
    if pixels.shape[:2] != size:
        turned = pixels.shape[1::-1] == size
        text = f"{pixels.shape[0]}x{pixels.shape[1]} pixels (height x width), not {size[0]}x{size[1]}"
        return Finding("differs", text, text + ("; the EXIF orientation is not applied" if turned else ""))
    seen = grid_of(pixels)
    apart = float(np.abs(seen - grid).max())
    if apart <= tolerance:
        return Finding("equal" if apart < 1e-3 else "close", f"{apart:.3g} levels")
    guesses = {
        "red and blue are swapped (RGB <-> BGR)": seen[..., ::-1],
        "the image is upside down": seen[::-1],
        "the image is mirrored": seen[:, ::-1],
        "the image is turned by 180 degrees: the EXIF orientation is not applied": seen[::-1, ::-1],
        "the pixels are 0 to 1, not 0 to 255": seen * 255,
    }
    known = (text for text, other in guesses.items() if np.abs(other - grid).max() <= tolerance)
    return Finding("differs", f"{apart:.3g} levels", next(known, "the decoded pixels are others"))


def compare_output(name: str, pack: dict[str, np.ndarray], port: np.ndarray, tolerance: float) -> Finding:
    """Compare one output of the graph.

    Args:
        name: of the output.
        pack: the graph's outputs by name.
        port: the port's.
        tolerance: the largest mean difference, as a fraction of the standard deviation of the pack's values.
    """
    ours = pack[name]
    if port.size == ours.size and port.shape != ours.shape and _squeezed(port) == _squeezed(ours):
        port = port.reshape(ours.shape)
    if port.shape != ours.shape:
        for axes in itertools.permutations(range(port.ndim)):
            if port.transpose(axes).shape == ours.shape and _error(ours, port.transpose(axes)) <= tolerance:
                text = f"equal after a transposition to axes {axes}: the port has another order of axes"
                return Finding("differs", str(port.shape), text)
        return Finding("differs", str(port.shape), f"shape {port.shape}, ours {ours.shape}")
    error = _error(ours, port)
    shown = f"{error:.2g} of its spread"
    if error <= tolerance:
        return Finding("equal" if error == 0 else "close", shown)
    return Finding("differs", shown, _explain(name, pack, port, tolerance))


def _explain(name: str, pack: dict[str, np.ndarray], port: np.ndarray, tolerance: float) -> str:
    ours, theirs = pack[name].astype(np.float64), port.astype(np.float64)
    sigmoid = 1 / (1 + np.exp(-np.clip(theirs, -60, 60)))
    once = 1 / (1 + np.exp(-np.clip(ours, -60, 60)))
    guesses = {
        "the sigmoid is lacking": (ours, sigmoid),
        "the sigmoid is applied, which the graph does not do (twice, if it is part of the graph)": (
            once,
            theirs,
        ),
    }
    softmax = _softmax(ours)
    if name in ("scores", "logits") and ours.shape[-1] > 1:
        guesses["the softmax is applied, which the graph does not do"] = (softmax, theirs)
        guesses["the softmax is lacking"] = (ours, _softmax(theirs))
    if name == "cxcywh":
        centre, half = ours[..., :2], ours[..., 2:] / 2
        corners = np.concatenate([centre - half, centre + half], -1)
        guesses["boxes are corners, not centre and size"] = (corners, theirs)
    if name == "scores" and "factors" in pack:
        product = ours * pack["factors"][..., None]
        guesses["class score x factor: the factor is multiplied already"] = (product, theirs)
    memory = theirs.reshape(ours.shape[0], *ours.shape[2:], ours.shape[1]) if ours.ndim > 2 else theirs
    guesses["its memory has the channels last, and is read as channels first"] = (
        ours,
        np.moveaxis(memory, -1, 1) if ours.ndim > 2 else theirs,
    )
    for text, (one, other) in guesses.items():
        if _error(one, other) <= tolerance:
            return text
    ratio = float((ours * theirs).sum() / max((theirs * theirs).sum(), 1e-300))
    if ratio and _error(ours, theirs * ratio) <= tolerance:
        return f"every value is {1 / ratio:.5g} times ours"
    return (
        "the values are others. If the input tensor is equal, the weights, the precision or the runtime "
        "differ; if it is not given, give it first"
    )


def _error(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Mean difference as a fraction of the spread of the first; 0 for two empty arrays."""
    if not ours.size:
        return 0.0
    ours, theirs = ours.astype(np.float64), theirs.astype(np.float64)
    spread = float(ours.std()) or float(np.abs(ours).max()) or 1.0
    return float(np.abs(ours - theirs).mean()) / spread


def _softmax(logits: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True)) if logits.size else logits
    shares: np.ndarray = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def _squeezed(array: np.ndarray) -> tuple[int, ...]:
    return tuple(side for side in array.shape if side != 1)
