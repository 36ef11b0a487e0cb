"""The command ``python -m cutpoint describe FILE``: what an ONNX file is, and a config for it."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cutpoint.errors import UserError
from cutpoint.files import write_text
from cutpoint.formats.convert import READERS
from cutpoint.layouts.classes import NAMED, read_class_names
from cutpoint.layouts.config_file import COCO, EXAMPLES, Given, config_text
from cutpoint.layouts.describe import describe, open_input
from cutpoint.layouts.facts import read_facts
from cutpoint.layouts.names import LAYOUTS
from cutpoint.layouts.recognise import recognise
from cutpoint.layouts.table import TABLE
from cutpoint.layouts.words import class_words, file_words, input_words, output_words, step_words
from cutpoint.printable import printable
from cutpoint.records.graph_facts import GraphFacts

# What no file says. The fingerprints of a run test each of them.
ASSUMED = (
    "colour order, scale, mean and padding are those of the layout's project; the file does not say them. "
    "Compare it with results of the original (a variant with `results`), and the report names a mistake"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0, or 1 after a user's mistake, which is printed as one message."""
    options = _parser().parse_args(arguments)
    try:
        _describe(options)
    except UserError as error:
        print(f"cutpoint: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m cutpoint", description="What an ONNX file is, and a config for it."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser(
        "describe",
        help="say what an ONNX file is; with a data set, write a config for it",
        description="Say what an ONNX file is. With --images it also writes a config.",
    )
    command.add_argument("file", metavar="FILE", help="the ONNX file of a detector")
    command.add_argument("--images", metavar="DIR", help="the folder of images of a data set")
    command.add_argument("--annotations", metavar="PATH", help="its ground truth: a file, or a folder")
    command.add_argument(
        "--format",
        choices=(COCO, *READERS),
        default=COCO,
        help="what the ground truth is, as the config's `format`; default: coco",
    )
    command.add_argument(
        "--classes",
        nargs="+",
        metavar="NAME",
        help="class names; or a text file with one name a line, coco80 or coco91; default: those in the file",
    )
    command.add_argument("--layout", choices=LAYOUTS, metavar="NAME", help="one of " + ", ".join(LAYOUTS))
    command.add_argument("--out", metavar="FILE", help="the config to write; default: FILE.yaml, here")
    return parser


def _describe(options: argparse.Namespace) -> None:
    if options.format != COCO and not options.annotations:
        raise UserError("--format: it is the format of --annotations; give them too")
    if not options.images and (options.annotations or options.out):
        raise UserError("--annotations and --out: a config is for a data set; give --images too")
    out = Path(options.out or f"{Path(options.file).stem}.yaml")
    if options.images and out.exists():
        raise UserError(
            f"--out {out}: there is a file of this name, and it is never overwritten; give another"
        )
    facts = read_facts(options.file)
    _print(options.file, file_words(facts))
    given, classes, problem = _classes(options.classes, facts)
    name, why = _layout(options, facts, classes)
    row = TABLE[name]
    lines = [("layout", f"{name}: {row.text}"), ("because", why)]
    unknown = open_input(facts, name)
    if classes is None:
        lines += [("cut", row.cut), ("recipe", row.recipe), ("not known", problem)]
    else:
        lines += [("classes", class_words(classes)), *_reading(options.file, facts, name, classes, unknown)]
    if unknown:
        lines.append(("not known", f"the input; the config must say it: {EXAMPLES[unknown]}"))
    _print("", [*lines, ("assumed", ASSUMED)])
    if not options.images:
        return
    if classes is None:
        raise UserError(f"no config is written; give --classes: {problem}")
    data = Given(options.file, options.images, options.annotations, given, options.format)
    _check_exists(data)
    write_text(out, config_text(data, name, row, why, unknown, classes, facts.precision))
    left = "; write its input there first" if unknown else ""
    print(f"\nwritten: {out}{left}\nrun it:  snakemake --configfile {out} --cores 4")


def _classes(given: list[str] | None, facts: GraphFacts) -> tuple[Any, tuple[str, ...] | None, str]:
    """``classes`` as a config takes it, the names, and why there are none."""
    config: Any = given
    if given and len(given) == 1 and (given[0] in NAMED or Path(given[0]).is_file()):
        config = given[0]
    try:
        return config, read_class_names(config, facts, "--classes" if given else "classes"), ""
    except UserError as error:
        if given:
            raise
        return config, None, str(error)


def _layout(options: argparse.Namespace, facts: GraphFacts, classes: Sequence[str] | None) -> tuple[str, str]:
    if options.layout:
        return options.layout, "it is named on the command line"
    found = recognise(facts, options.file, classes)
    return found.layout, found.why


def _reading(
    path: str, facts: GraphFacts, name: str, classes: Sequence[str], unknown: str | None
) -> list[tuple[str, str]]:
    """What the layout means for this file. An open input is left out."""
    written = {"input": {"resize": "none"}} if unknown else {}
    found = describe(path, facts, name, written, classes)
    shown = [] if unknown else [("image", input_words(found.input, found.tensor))]
    shown += [("constant", f"{key} = {value}") for key, value in found.constants.items()]
    shown += [("cut" if number == 0 else "", line) for number, line in enumerate(output_words(found))]
    return [*shown, ("recipe", f"{TABLE[name].recipe}: {step_words(found.head.recipe)}")]


def _check_exists(data: Given) -> None:
    if not Path(data.images).is_dir():
        raise UserError(f"--images {data.images}: no such folder")


def _print(title: str, lines: Sequence[tuple[str, str]]) -> None:
    if title:
        print(printable(title))
    for heading, text in lines:
        print(f"  {heading:<10} {printable(text)}")


if __name__ == "__main__":
    sys.exit(main())
