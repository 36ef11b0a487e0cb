"""The command: compare a port with a pack stage by stage, and name the first one that differs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from cutpoint.golden.checker.explain import Verdict, judge
from cutpoint.golden.checker.outputs import compare_pixels
from cutpoint.golden.checker.port import Arrays, BadInput, Port, read_pack
from cutpoint.golden.checker.ranked import compare_ranked
from cutpoint.golden.checker.rows import Match, Rows
from cutpoint.golden.checker.stage import Stage
from cutpoint.golden.checker.steps import run_steps
from cutpoint.golden.checker.tensors import SMALL, UNKNOWN, Finding, InputCheck, as_planes

# A port in another precision than the pack's file may differ by more.
WIDER = {"fp32": 1.0, "fp16": 4.0, "int8": 16.0}
MOST_ROWS = 0.2
# words of reasons that say less than others
VAGUE = {2: UNKNOWN, 1: SMALL}
NOT_GIVEN = "not given"


class Line(NamedTuple):
    """A stage in the table. ``cells``: by image. ``reason``: why it differs, otherwise empty."""

    title: str
    cells: dict[str, str]
    status: str
    reason: str = ""


class Check:
    """A pack, a port, and the stages that both have."""

    def __init__(self, folder: str, port: str, precision: str) -> None:
        self.pack, self.arrays = read_pack(folder)
        self.port = Port(port, self.pack)
        self.steps: list[dict[str, Any]] = self.pack["recipe"]
        self.names: list[str] = [image["name"] for image in self.pack["images"]]
        self.tolerance = self.pack["tolerances"]
        self.wider = WIDER[precision]
        # the order of its rows means nothing, so they are compared as rows and not as tensors
        self.ends_in_rows = self.pack["cut"] == "e2e"
        self.geometries = {image["name"]: image["geometry"] for image in self.pack["images"]}
        self.states = {name: self._states(self.arrays[name]) for name in self.names}

    def lines(self) -> Iterator[Line]:
        """The stages in order."""
        yield self._tensor_line("image decode", "pixels", self._pixels)
        yield self._tensor_line("input tensor", "input", self._input)
        for name in self.pack["other_inputs"]:
            yield self._tensor_line(f"input {name}", name, self._other_input)
        if not self.ends_in_rows:
            for name in self.pack["outputs"]:
                yield self._tensor_line(f"output {name}", f"output.{name}", self._output)
        start = 0
        for number, (title, key) in enumerate(self._row_stages()):
            end = min(number, len(self.steps))
            line, passed = self._row_line(title, key, (start, end))
            start = end if passed else start
            yield line

    def _row_stages(self) -> Iterator[tuple[str, str]]:
        yield ("output rows" if self.ends_in_rows else "candidates"), "candidates"
        for number, step in enumerate(self.steps, start=1):
            yield f"step {number} {step['step']}", f"step{number}"
        yield "detections", "detections"

    def _tensor_line(self, title: str, key: str, compare: Any) -> Line:
        cells, reasons, worst = {}, [], "equal"
        for name in self.names:
            given = self.port.arrays.get(name, {}).get(key)
            if given is None:
                continue
            finding: Finding = compare(name, key, given)
            cells[name] = f"{finding.status} ({finding.error})"
            worst = max(worst, finding.status, key=["equal", "close", "differs"].index)
            if finding.status == "differs":
                reasons.append(finding.reason)
        if not cells:
            return Line(title, {}, NOT_GIVEN)
        # the most exact one: an image that is nearly grey, or has no padding, shows less than another
        reasons.sort(key=lambda reason: next((rank for rank, word in VAGUE.items() if word in reason), 0))
        return Line(title, cells, worst, next(iter(reasons), ""))

    def _pixels(self, name: str, key: str, given: np.ndarray) -> Finding:
        if given.ndim != 3 or given.shape[2] != 3:
            raise BadInput(f"{name}: pixels has shape {given.shape}, expected (height, width, 3)")
        facts = next(image["pixels"] for image in self.pack["images"] if image["name"] == name)
        grid = self.arrays[name]["pixels_grid"]
        return compare_pixels(grid, facts, given, self.tolerance["pixels"]["mean"])

    def _input(self, name: str, key: str, given: np.ndarray) -> Finding:
        try:
            as_planes(given)
        except ValueError as error:
            raise BadInput(f"{name}: input: {error}") from None
        check = InputCheck(
            self.arrays[name][key], self.pack["input"], self.geometries[name], self.tolerance["input"]
        )
        finding = check.compare(given)
        ours = self.arrays[name][key]
        if finding.status != "differs" and given.ndim == ours.ndim and given.shape != ours.shape:
            return finding._replace(error=f"{finding.error}, after a transposition of its axes")
        return finding

    def _other_input(self, name: str, key: str, given: np.ndarray) -> Finding:
        ours = self.arrays[name][key]
        if given.size != ours.size:
            raise BadInput(f"{name}: {key} has shape {given.shape}, expected {ours.shape}")
        apart = float(np.abs(given.ravel() - ours.ravel()).max())
        text = f"{given.ravel().tolist()}, ours {ours.ravel().tolist()} ({self.pack['other_inputs'][key]})"
        return Finding("equal" if apart < 1e-4 else "differs", f"{apart:.3g}", text)

    def _output(self, name: str, key: str, given: np.ndarray) -> Finding:
        arrays, short = self.arrays[name], key[len("output.") :]
        pack = {output: arrays[f"output.{output}"] for output in self.pack["outputs"]}
        if given.ndim not in (pack[short].ndim, pack[short].ndim - 1):
            raise BadInput(f"{name}: {key} has shape {given.shape}, expected {pack[short].shape}")
        limit = self.tolerance["outputs"][short]["spread"] * self.wider
        own = self.port.arrays[name]
        port = {output: own[f"output.{output}"] for output in pack if f"output.{output}" in own}
        return compare_ranked(short, pack, port, limit)

    def _row_line(self, title: str, key: str, span: tuple[int, int]) -> tuple[Line, bool]:
        """The line of a stage of rows, and whether the rows of later stages can be made from it."""
        given = {name: self.port.rows(name, key) for name in self.names}
        if self.ends_in_rows and key == "candidates":
            given = {name: rows or self.port.output_rows(name) for name, rows in given.items()}
        port = {name: rows for name, rows in given.items() if rows is not None}
        if not port:
            return Line(title, {}, NOT_GIVEN), False
        categories = self.pack["categories"] if self.port.results else None
        mistakes = self._mistakes() if key == "detections" else {}
        stage = Stage(self.steps, span, self.states, self.geometries, port, categories, mistakes)
        limits = {name: value * self.wider for name, value in self._limits(key).items()}
        limits["rows"] = min(limits["rows"], MOST_ROWS)
        verdict: Verdict = judge(stage, limits)
        cells = {name: f"{verdict.status} ({error})" for name, error in verdict.errors.items()}
        why = verdict.why
        if why is None:
            if verdict.status == "close" and categories is None:
                self._go_on_from(port, key, span[1], limits)
            return Line(title, cells, verdict.status), True
        reason = why.text
        if why.number and f"step {why.number} " not in title:
            reason = f"step {why.number} of the recipe ({self.steps[why.number - 1]['step']}): {reason}"
        return Line(title, cells, "differs", reason), False

    def _go_on_from(self, port: dict[str, Rows], key: str, end: int, limits: dict[str, float]) -> None:
        """Expect of later stages what the port's own rows give, so that earlier noise does not count there.

        Rows need prior, level and factor for that: the port's own, or those of our row that is the same.
        """
        for name, rows in port.items():
            given = self.port.arrays[name]
            if end == 0 and all(f"{key}.{column}" in given for column in ("factors", "priors", "levels")):
                adopted = rows
            else:
                match = Match(self.states[name][end], rows, limits["boxes"], limits["scores"])
                if len(match.theirs) < len(rows):
                    continue
                order = np.argsort(match.theirs)
                ours = self.states[name][end].take(match.ours[order])
                adopted = ours.replaced(boxes=rows.boxes, scores=rows.scores)
                adopted.ids = adopted.ids if end else np.arange(len(rows))
            before = [n for n in range(end) if self.steps[n]["step"] == "nms"]
            pool = self.states[name][before[0]] if before else None
            later = run_steps(self.steps[end:], adopted, self.geometries[name], pool)
            self.states[name][end:] = [adopted, *later]

    def _mistakes(self) -> dict[str, dict[str, Rows]]:
        """The final rows that mistakes give, by the mistake in words.

        Those in the input only if the port's input is not known to be right.
        """
        columns = ("boxes", "scores", "labels")
        texts = {name: f"the outputs are read otherwise: {text}" for name, text in self._readings().items()}
        if not any("input" in arrays for arrays in self.port.arrays.values()):
            inputs = self.pack["mistakes"].items()
            texts |= {name: f"the input tensor is wrong: {text}" for name, text in inputs}
        return {
            text: {
                image: Rows(**{column: self.arrays[image][f"mistake.{name}.{column}"] for column in columns})
                for image in self.names
            }
            for name, text in texts.items()
        }

    def _readings(self) -> dict[str, str]:
        """The mistakes in reading the outputs that the pack has; older packs have none."""
        readings: dict[str, str] = self.pack.get("readings", {})
        return readings

    def _limits(self, key: str) -> dict[str, float]:
        limits = self.tolerance[key]
        return {name: limits[name] for name in ("boxes", "scores", "rows")}

    def _states(self, arrays: Arrays) -> list[Rows]:
        """The candidates and the rows after each step."""
        columns = ("boxes", "scores", "labels", "factors", "priors", "levels")
        candidates = Rows(**{name: arrays[f"candidates.{name}"] for name in columns})
        states = [candidates]
        for number in range(1, len(self.steps) + 1):
            ids = arrays[f"step{number}.ids"]
            values = {
                name: arrays[f"step{number}.{name}"] for name in ("boxes", "scores", "labels", "factors")
            }
            states.append(candidates.take(ids).replaced(**values, ids=ids))
        return states


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns 0 if the port agrees, 1 if it differs, 2 for a pack or port that is wrong."""
    parser = argparse.ArgumentParser(
        description="Compare a port of a detector with a golden pack, stage by stage. README.md beside this "
        "file says what to give."
    )
    parser.add_argument("pack", help="the folder of the pack (with pack.json)")
    parser.add_argument("port", help="a folder of .npz or .npy files, or one .json")
    parser.add_argument("--precision", choices=sorted(WIDER), default="fp32", help="of the port")
    options = parser.parse_args(arguments)
    try:
        check = Check(options.pack, options.port, options.precision)
        lines = list(check.lines())
    except BadInput as error:
        print(f"check.py: {error}", file=sys.stderr)
        return 2
    return show(check, lines)


def show(check: Check, lines: list[Line]) -> int:
    """Print the table and the result; returns the exit code."""
    pack = check.pack
    print(f"{pack['model']}, variant {pack['variant']}: {pack['onnx']['name']} ({pack['precision']})")
    names = [name for name in check.names if any(name in line.cells for line in lines)]
    width = max(len(line.title) for line in lines)
    cells = {name: max([len(line.cells.get(name, "-")) for line in lines] + [len(name)]) for name in names}
    print("stage".ljust(width), *(name.ljust(cells[name]) for name in names), sep="  ")
    for line in lines:
        shown = [line.cells.get(name, "-").ljust(cells[name]) for name in names]
        print(line.title.ljust(width), *shown, sep="  ")
    wrong = next((line for line in lines if line.status == "differs"), None)
    given = [line for line in lines if line.status != NOT_GIVEN]
    if wrong is None:
        print(f"AGREES: {len(given)} stages given, none differs.")
        return 0
    missing = [line.title for line in lines[: lines.index(wrong)] if line.status == NOT_GIVEN]
    print(f"DIFFERS first at: {wrong.title}")
    print(f"reason: {wrong.reason}")
    if missing:
        print(f"not given before it: {', '.join(missing)}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
