"""The input tensor of a port against the pack's: how far apart, and what the numbers prove about it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

# A resize that is only nearly ours leaves this much, in pixel levels, and this fraction of what it explains.
NEARLY, NEARLY_OF = 12.0, 0.35
SMALL, UNKNOWN = "small differences everywhere", "no usual mistake explains it"
OTHER_ORDER = "mean and std are in the other channel order"
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Finding(NamedTuple):
    """What a stage of an image shows. ``status``: ``equal``, ``close`` or ``differs``."""

    status: str
    error: str
    reason: str = ""


class InputCheck:
    """An input tensor of the pack and what is needed to explain another one.

    ``recipe``: the pack's ``input``; ``geometry``: the image's. Both tensors are compared as ``(3, H, W)``.
    Differences are in pixel levels, of which a pixel has 256.
    """

    def __init__(
        self, tensor: np.ndarray, recipe: dict[str, Any], geometry: dict[str, Any], tolerance: dict[str, Any]
    ) -> None:
        self.recipe, self.geometry, self.tolerance = recipe, geometry, tolerance
        self.ours = as_planes(tensor)
        self.level = np.array(recipe["level"], np.float64)[:, None, None]
        top, left = geometry["top"], geometry["left"]
        self.size = geometry["resized_height"], geometry["resized_width"]
        self.place = top, left
        self.frame = self.ours.shape[1:]
        self.limits = tolerance["mean"], tolerance["most"]

    def compare(self, tensor: np.ndarray) -> Finding:
        """Compare a port's tensor, ``(1, 3, H, W)`` or ``(1, H, W, 3)``, with or without the first axis."""
        theirs = as_planes(tensor)
        if theirs.shape != self.ours.shape:
            sizes = ["x".join(map(str, planes.shape[1:])) for planes in (theirs, self.ours)]
            return Finding("differs", sizes[0], f"the tensor is {sizes[0]} (height x width), not {sizes[1]}")
        mean, most = self._apart(theirs, self.ours)
        error = f"{mean:.3g} levels"
        if mean == 0 and most == 0:
            return Finding("equal", error)
        if self._near(theirs, self.ours):
            return Finding("close", error)
        return Finding("differs", error, self._explain(theirs, mean))

    def _apart(
        self, one: np.ndarray, other: np.ndarray, level: np.ndarray | None = None
    ) -> tuple[float, float]:
        """The mean difference in levels, and the one that 999 of 1000 values stay below."""
        apart = np.abs(one - other) / (self.level if level is None else level)
        return (float(apart.mean()), float(np.quantile(apart, 0.999))) if apart.size else (0.0, 0.0)

    def _near(self, one: np.ndarray, other: np.ndarray, level: np.ndarray | None = None) -> bool:
        mean, most = self._apart(one, other, level)
        return bool(mean <= self.limits[0] and most <= self.limits[1])

    def _explain(self, theirs: np.ndarray, mean: float) -> str:
        reason = self._explain_usual(theirs) or self._explain_fits(theirs)
        if reason:
            return reason
        strict, self.limits = self.limits, (min(NEARLY, NEARLY_OF * mean), np.inf)
        reason = self._explain_usual(theirs)
        self.limits = strict
        if reason:
            return f"{reason}; besides, {SMALL} remain: another interpolation or resize library"
        return self._explain_resize(theirs, mean)

    def _explain_usual(self, theirs: np.ndarray) -> str:
        """A usual mistake that turns ours into theirs within the limits; empty if there is none."""
        ours = self._content(self.ours)
        for swapped in (False, True):
            seen = theirs[::-1] if swapped else theirs
            prefix = "red and blue are swapped (RGB <-> BGR)" if swapped else ""
            if self._near(self._content(seen), ours):
                outside = "" if self._near(seen, self.ours) else self._padding(seen)
                return "; ".join(part for part in (prefix, outside) if part)
            reason = self._explain_values(self._content(seen), ours)
            if swapped and reason == OTHER_ORDER:
                return f"{prefix}, before mean and std"
            if reason:
                return f"{prefix}; {reason}" if prefix else reason
        for swapped in (False, True):
            reason = self._explain_place(theirs[::-1] if swapped else theirs)
            if reason:
                return f"red and blue are swapped (RGB <-> BGR); {reason}" if swapped else reason
        memory = np.moveaxis(theirs.reshape(*self.frame, 3), -1, 0)
        if self._near(memory, self.ours):
            return "the values lie in memory as height, width, channel, and are read channels first"
        return ""

    def _explain_fits(self, theirs: np.ndarray) -> str:
        ours = self._content(self.ours)
        for swapped in (False, True):
            reason = self._explain_fit(self._content(theirs[::-1] if swapped else theirs), ours)
            if reason:
                return f"red and blue are swapped (RGB <-> BGR); {reason}" if swapped else reason
        return ""

    def _explain_values(self, theirs: np.ndarray, ours: np.ndarray) -> str:
        """The usual range that the values in the image's own part have; empty if it is another."""
        pixels, near = self._pixels(ours), {}
        for text, mean, std in self._forms():
            shift, scale = (np.array(value, np.float64)[:, None, None] for value in (mean, std))
            expected = (pixels - shift) / scale
            if self._near(theirs, expected, 1 / scale):
                near[text] = self._apart(theirs, expected, 1 / scale)[0]
        return min(near, key=lambda text: near[text]) if near else ""

    def _pixels(self, planes: np.ndarray) -> np.ndarray:
        """The pixels, 0 to 255, that normalised values stand for; the channels stay as they are."""
        mean, std = (np.array(self.recipe[key], np.float64)[:, None, None] for key in ("mean", "std"))
        return planes * std + mean

    def _forms(self) -> Iterator[tuple[str, Any, Any]]:
        """Other usual ranges of values: words, and the mean and std (per channel, of pixels 0 to 255)."""
        mean, std = self.recipe["mean"], self.recipe["std"]
        plain = len(set(mean)) == len(set(std)) == 1
        had = "" if mean == [0, 0, 0] and plain else "mean and std are left out: "
        yield f"{had}the pixels are 0 to 255, not scaled", [0] * 3, [1] * 3
        yield f"{had}the pixels are divided by 255", [0] * 3, [255] * 3
        yield "the pixels are scaled to -1 to 1", [127.5] * 3, [127.5] * 3
        scaled = [[255 * value for value in part] for part in IMAGENET]
        yield "the pixels are normalised with ImageNet's mean and std", scaled[0], scaled[1]
        yield OTHER_ORDER, mean[::-1], std[::-1]
        yield "the mean is left out", [0] * 3, std
        yield "the std is left out", mean, [1] * 3
        wide, narrow = ([[value * by for value in part] for part in (mean, std)] for by in (255, 1 / 255))
        yield "the pixels are divided by 255 before mean and std", wide[0], wide[1]
        yield "mean and std, which are of 0 to 1, are used on 0 to 255", narrow[0], narrow[1]

    def _explain_fit(self, theirs: np.ndarray, ours: np.ndarray) -> str:
        """One factor, or a factor and a constant a channel, that turn their values into ours."""
        ratio = float((ours * theirs).sum() / max((theirs * theirs).sum(), 1e-30))
        if ratio and self._near(theirs * ratio, ours):
            return f"every value is {1 / ratio:.5g} times ours: the scale of the pixels is another"
        fits = [
            np.polyfit(t.ravel(), o.ravel(), 1) if np.ptp(t) else (0.0, 0.0) for t, o in zip(theirs, ours)
        ]
        gain, shift = np.array(fits).T[:, :, None, None]
        if gain.all() and self._near(theirs * gain + shift, ours):
            values = [f"{1 / g:.4g} x + {-s / g:.4g}" for g, s in fits]
            return f"each channel is a multiple of ours plus a constant ({', '.join(values)}): mean or std"
        return ""

    def _explain_place(self, theirs: np.ndarray) -> str:
        """The same pixels at another place of the frame."""
        height, width = self.size
        free = self.frame[0] - height, self.frame[1] - width
        usual = itertools.product(*({0, side // 2, -(-side // 2), side} for side in free))
        around = itertools.product(*((at - 1, at + 1, at) for at in self.place))
        ours = self._content(self.ours)
        for top, left in dict.fromkeys([*usual, *around]):
            if (top, left) == self.place or not (0 <= top <= free[0] and 0 <= left <= free[1]):
                continue
            if self._near(theirs[:, top : top + height, left : left + width], ours):
                return (
                    f"the image lies {top} down and {left} right in the tensor, ours {self.place[0]} down "
                    f"and {self.place[1]} right: the padding is at another place"
                )
        return ""

    def _explain_resize(self, theirs: np.ndarray, mean: float) -> str:
        """Another size inside the frame, or small differences everywhere."""
        ours, geometry = self._content(self.ours), self.geometry
        ratio = min(self.frame[0] / geometry["height"], self.frame[1] / geometry["width"])
        boxed = round(geometry["height"] * ratio), round(geometry["width"] * ratio)
        room = self.frame[0] - boxed[0], self.frame[1] - boxed[1]
        guesses = [
            (
                self.frame,
                (0, 0),
                "the image is stretched over the whole tensor, and its sides' ratio is lost",
            ),
            (boxed, (0, 0), "the image keeps its sides' ratio (letterbox, top left), ours is stretched"),
            (boxed, (room[0] // 2, room[1] // 2), "the image keeps its sides' ratio (letterbox, centred)"),
        ]
        for swapped, (size, (top, left), text) in itertools.product((False, True), guesses):
            if size == self.size:
                continue
            seen = theirs[::-1] if swapped else theirs
            expected = resample(ours, size)
            part = seen[:, top : top + size[0], left : left + size[1]]
            left_over = self._apart(part, expected)[0]
            if left_over < min(NEARLY, NEARLY_OF * self._apart(part, self.ours[:, : size[0], : size[1]])[0]):
                prefix = "red and blue are swapped (RGB <-> BGR); " if swapped else ""
                return f"{prefix}{text} (stretched ours is {left_over:.2g} levels away, ours {mean:.3g})"
        seen_size = self._size_seen(theirs)
        if seen_size not in (None, self.size):
            shown, own = ("x".join(map(str, size)) for size in (seen_size or (), self.size))
            return (
                f"the image is resized to {shown} (height x width), not {own}: its size is rounded otherwise"
            )
        inside = self._apart(self._content(theirs), ours)[0]
        alike = np.corrcoef(self._content(theirs).ravel(), ours.ravel())[0, 1]
        if inside < NEARLY and alike > 0.95:
            return (
                f"{SMALL} ({inside:.2g} levels on average): another interpolation, "
                "a resize of another library, or a rounded size"
            )
        return f"{UNKNOWN}: compare the decoded pixels, then the resize, then the rest"

    def _size_seen(self, theirs: np.ndarray) -> tuple[int, int] | None:
        """The size of the image in a tensor with our padding; null if none lies right and below it."""
        corner = self.ours[:, -1, -1][:, None, None]
        far = np.abs(theirs - corner) > 0.5 * self.level
        rows, columns = (np.flatnonzero(far.any(axis=(0, axis))) for axis in (2, 1))
        ends = [self.place[axis] + self.size[axis] for axis in (0, 1)]
        if not len(rows) or ends == list(self.frame):
            return None
        last = [int(part[-1]) + 1 for part in (rows, columns)]
        seen = [
            last[axis] - self.place[axis] if ends[axis] < self.frame[axis] else self.size[axis]
            for axis in (0, 1)
        ]
        return (seen[0], seen[1]) if all(abs(a - b) <= 2 for a, b in zip(seen, self.size)) else None

    def _padding(self, theirs: np.ndarray) -> str:
        """How the padding differs, given that the rest is equal; empty if there is none."""
        mask = np.ones(self.frame, bool)
        (top, left), (height, width) = self.place, self.size
        mask[top : top + height, left : left + width] = False
        if theirs.shape[1:] != self.frame or not mask.any():
            return ""
        values = [np.median(planes[:, mask], axis=1) for planes in (theirs, self.ours)]
        shown = [" ".join(f"{value:.4g}" for value in part) for part in values]
        raw = np.round(self._pixels(values[0][:, None, None]).ravel(), 2) + 0.0  # no negative zero
        return (
            f"only the padding differs: it is {shown[0]} (a pixel of {' '.join(f'{v:g}' for v in raw)}), "
            f"ours {shown[1]}"
        )

    def _content(self, planes: np.ndarray) -> np.ndarray:
        (top, left), (height, width) = self.place, self.size
        return planes[:, top : top + height, left : left + width]


def as_planes(tensor: np.ndarray) -> np.ndarray:
    """``(3, H, W)`` float64 from a tensor of one image with the channels first or last.

    Raises:
        ValueError: the tensor has another shape.
    """
    planes = tensor[0] if tensor.ndim == 4 and len(tensor) == 1 else tensor
    if planes.ndim != 3 or 3 not in (planes.shape[0], planes.shape[-1]):
        raise ValueError(f"shape {tensor.shape}: give (1, 3, H, W) or (1, H, W, 3)")
    if planes.shape[0] != 3:
        planes = np.moveaxis(planes, -1, 0)
    return planes.astype(np.float64)


def resample(planes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize ``(3, h, w)`` bilinearly, pixel centres at halves, without smoothing."""
    for axis, length in enumerate(size, start=1):
        old = planes.shape[axis]
        at = np.clip((np.arange(length) + 0.5) * old / length - 0.5, 0, old - 1)
        low = np.floor(at).astype(int)
        high = np.minimum(low + 1, old - 1)
        part = (at - low).reshape([-1 if n == axis else 1 for n in range(3)])
        planes = planes.take(low, axis) * (1 - part) + planes.take(high, axis) * part
    return planes
