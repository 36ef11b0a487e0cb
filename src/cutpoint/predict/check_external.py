"""Check whether an external file without an mmdet model gives what its layout says, on a few images."""

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from functools import partial

import numpy as np

from cutpoint.decode.candidates import from_raw, rows_of
from cutpoint.errors import UserError
from cutpoint.predict.pictures import Picture, choose_pictures, load_pictures
from cutpoint.predict.pipeline import OnnxPipeline
from cutpoint.predict.plausible import Rows, best_rows, doubt_boxes, doubt_classes, doubt_labels, doubt_scores
from cutpoint.predict.runtime import Session
from cutpoint.predict.validity import find_invalid, find_misshapen
from cutpoint.records.image import Geometry
from cutpoint.records.manifest import read_manifest
from cutpoint.records.model import ModelSpec, dense_head, read_spec
from cutpoint.records.verification import TensorCheck, Verification, write_verification

Outputs = dict[str, np.ndarray]


def check_external(*, export: str, spec: str, manifest: str, images: int, out: str) -> None:
    """Run an imported file on images of at least three sizes, and judge whether its values can be true.

    There is no PyTorch side to compare with. Judged are: whether values are finite, scores within 0 and 1,
    labels among the classes, boxes within the frame (offsets that are not decoded, fractions, centre and
    size, pixels of the original image). A doubt is recorded with the config key that mends it and does not
    raise an error. A table goes to standard output.

    Args:
        export: ONNX file of ``import_external``.
        spec: its specification.
        manifest: manifest JSON of a data set with real images.
        images: how many images.
        out: JSON file to write, see ``verification.Verification``.

    Raises:
        UserError: the file cannot run: it does not load, or outputs have wrong shapes.
    """
    session = Session(export, "cpu")
    if session.spec.digest != read_spec(spec).digest:
        raise UserError(f"{export}: made with another specification than {spec}; rerun import_external")
    pipeline = OnnxPipeline(session, "own")
    seen = SEEN[session.cut]()
    inputs: dict[tuple[int, ...], None] = {}
    with tempfile.TemporaryDirectory() as folder:
        chosen, pictures = choose_pictures(read_manifest(manifest).images, images, folder)
        for group in _batches(pictures, session.batch or 1):
            tensor, geometries = load_pictures(pipeline, group)
            inputs[tensor.shape] = None
            outputs = pipeline.infer(tensor, *geometries)
            for number, (picture, geometry) in enumerate(zip(group, geometries, strict=True)):
                wrong = find_misshapen(session.cut, outputs, session.spec, number)
                if wrong:
                    raise UserError(f"{export}: {wrong} ({picture.name})")
                problem = find_invalid((name, value[number]) for name, value in _values(outputs))
                if problem:
                    seen.invalid.setdefault(problem.partition(" has ")[0], f"{problem} on {picture.name}")
                else:
                    seen.add(outputs, number, geometry, pipeline)
    checks = seen.checks(session.spec)
    print(_table(export, checks))
    verification = Verification(
        export=export,
        precision=session.precision,
        passed=all(check.passed for check in checks),
        failures=tuple(f"{check.name}, {check.reason}" for check in checks if not check.passed),
        tensors=tuple(checks),
        images=len(chosen),
        inputs=tuple(inputs),
    )
    write_verification(out, verification)


def _batches(pictures: list[Picture], size: int) -> Iterable[list[Picture]]:
    """Groups of the size that the file takes; the last is filled up with pictures from the start."""
    for start in range(0, len(pictures), size):
        yield [pictures[index % len(pictures)] for index in range(start, start + size)]


def _values(outputs: Outputs) -> Iterable[tuple[str, np.ndarray]]:
    return ((name, value) for name, value in outputs.items() if name not in ("level_counts", "count"))


@dataclass
class Seen(ABC):
    """What was seen of a cut's values in all pictures. ``invalid``: by tensor, why it is not finite."""

    invalid: dict[str, str] = field(default_factory=dict)
    _found: dict[str, list[np.ndarray]] = field(default_factory=dict)

    @abstractmethod
    def add(self, outputs: Outputs, number: int, geometry: Geometry, pipeline: OnnxPipeline) -> None:
        """Add one picture of a batch, whose values are finite."""

    @abstractmethod
    def doubts(self, spec: ModelSpec) -> Iterable[tuple[str, str, Callable[[], str | None]]]:
        """For each tensor its name, what is demanded of it, and a function that finds a doubt."""

    def keep(self, geometry: Geometry, boxes: np.ndarray, best: np.ndarray, **values: np.ndarray) -> None:
        """Keep the rows of a picture. All of them are kept, since a few pictures are looked at."""
        g = geometry
        sizes = {
            "frames": (g.padded_width, g.padded_height),
            "originals": (g.width, g.height),
            "content": (g.left, g.top, g.left + g.resized_width, g.top + g.resized_height),
        }
        rows = {"boxes": boxes.astype(np.float64), "best": best_rows(best), "rank": best}
        rows |= {name: np.tile(size, (len(boxes), 1)) for name, size in sizes.items()}
        for name, value in (rows | values).items():
            self._found.setdefault(name, []).append(value)

    def all(self, name: str) -> np.ndarray:
        """A value of all pictures."""
        return np.concatenate(self._found[name]) if name in self._found else np.zeros(0)

    def boxes(self) -> str | None:
        """Doubts about the boxes."""
        if "boxes" not in self._found:
            return None
        return doubt_boxes(Rows(*(self.all(field.name) for field in fields(Rows))))

    def checks(self, spec: ModelSpec) -> list[TensorCheck]:
        """The results, one a tensor."""
        found = {name: (demand, doubt) for name, demand, doubt in self.doubts(spec)}
        reasons = {name: doubt() for name, (_, doubt) in found.items() if name not in self.invalid}
        reasons |= self.invalid
        return [
            TensorCheck(
                name=name,
                max_abs=None,
                max_rel=None,
                cosine=None,
                tolerance=found[name][0] if name in found else "finite",
                passed=reason is None,
                reason=(reason or "").removeprefix(f"{name} "),
            )
            for name, reason in reasons.items()
        ]


class SeenDecoded(Seen):
    """Boxes, scores and factors of every location."""

    def add(self, outputs: Outputs, number: int, geometry: Geometry, pipeline: OnnxPipeline) -> None:
        scores = outputs["scores"][number]
        values = {"scores": scores}
        rank = scores.max(axis=1)
        if "factors" in outputs:
            values["factors"] = outputs["factors"][number]
            rank = rank * values["factors"]
        self.keep(geometry, outputs["boxes"][number], rank, **values)

    def doubts(self, spec: ModelSpec) -> Iterable[tuple[str, str, Callable[[], str | None]]]:
        yield "boxes", "corners within the frame", self.boxes
        scores = self.all("scores")
        yield (
            "scores",
            "0 to 1",
            lambda: doubt_scores(scores, "decoded") or doubt_classes(scores, spec.classes),
        )
        if spec.head.has_factor:
            yield "factors", "0 to 1", lambda: doubt_scores(self.all("factors"), "decoded", "factor")


class SeenRows(Seen):
    """Detections."""

    def add(self, outputs: Outputs, number: int, geometry: Geometry, pipeline: OnnxPipeline) -> None:
        count, rows = int(outputs["count"][number]), outputs["scores"].shape[1]
        if not 0 <= count <= rows:
            self.invalid.setdefault(
                "count",
                f"count is {count} of {rows} rows: outputs.count is another tensor, remove it to count "
                "scores above 0",
            )
            return
        boxes, scores, labels = rows_of(outputs, number)
        self.keep(geometry, boxes, scores, labels=labels)

    def doubts(self, spec: ModelSpec) -> Iterable[tuple[str, str, Callable[[], str | None]]]:
        scores = self.all("rank")
        nothing = "" if scores.size else " (nothing was detected)"
        yield "boxes", f"corners within the frame{nothing}", self.boxes
        yield "scores", f"0 to 1{nothing}", lambda: doubt_scores(scores, "e2e")
        yield (
            "labels",
            f"among the classes{nothing}",
            lambda: doubt_labels(self.all("labels"), scores, spec.classes),
        )


class SeenRaw(Seen):
    """The tensors of a head, and the boxes that they are decoded to."""

    def add(self, outputs: Outputs, number: int, geometry: Geometry, pipeline: OnnxPipeline) -> None:
        head = dense_head(pipeline.spec, "the cut raw")
        for part, key, kind in (
            (head.score, "score", head.score_activation),
            (head.factor, "factor", head.factor_activation),
        ):
            if part is None or kind != "none":
                continue
            for level in range(head.levels):
                value = outputs[f"{part.tensor}_{level}"][number]
                anchors = head.anchors_per_cell(level)
                value = value.reshape(anchors, -1, value.shape[1] * value.shape[2])[:, part.start : part.stop]
                self._found.setdefault(key, []).append(value.transpose(0, 2, 1).reshape(-1, value.shape[1]))
        with np.errstate(over="ignore"):  # boxes that were decoded already become infinite
            candidates = from_raw(outputs, head, number)
        boxes = np.nan_to_num(candidates.boxes, posinf=1e9, neginf=-1e9)
        self.keep(geometry, boxes, candidates.score * candidates.factor)

    def doubts(self, spec: ModelSpec) -> Iterable[tuple[str, str, Callable[[], str | None]]]:
        yield "boxes", "decoded corners within the frame", self.boxes
        for key in ("score", "factor"):
            if key in self._found:
                yield f"{key}s", "0 to 1", partial(doubt_scores, self.all(key), "raw", key)


SEEN: dict[str, type[Seen]] = {"decoded": SeenDecoded, "e2e": SeenRows, "raw": SeenRaw}


def _table(export: str, checks: list[TensorCheck]) -> str:
    """Markdown."""
    lines = [f"{export}: its values against its layout", "", "| output | demanded | |", "|---|---|---|"]
    for check in checks:
        verdict = "passed" if check.passed else f"**{check.reason}**"
        lines.append(f"| {check.name} | {check.tolerance} | {verdict} |")
    return "\n".join(lines)
