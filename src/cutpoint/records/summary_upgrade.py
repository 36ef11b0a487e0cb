"""Read a summary.csv from before the flags were columns: turn its notes into flags."""

import re

Cells = dict[str, str]
SEPARATOR = "; "
NO_FLAGS = dict.fromkeys(
    (
        *("refused", "weak_reference", "published_ap", "doubtful", "images_to_decide", "export_failures"),
        *("unsteady", "foreign_cores", "throttled", "timed_batch", "timed_recipe"),
    ),
    "",
) | dict.fromkeys(
    (
        *("reference_refused", "baseline_off", "suspicious", "export_failed"),
        *("without_compiled_nms", "disturbed"),
    ),
    "False",
)
# columns that older files do not have
LATER = (
    *("images_skipped", "evaluator"),
    *("categories_left_out", "boxes_left_out", "layout", "kept_otherwise"),
    *("latency_samples", "latency_delta_ms", "latency_delta_ms_lo", "latency_delta_ms_hi"),
)
# The flag that a note sets, then the column that has its text.
NOTES = {
    r"refused: (?P<refused>.+)": "",
    r"reference refused": "reference_refused",
    r"weak reference: (?P<weak_reference>.+)": "",
    r"(?P<weak_reference>weak reference)": "",
    r"baseline off(: AP [\d.]+, published (?P<published_ap>[\d.]+))?": "baseline_off",
    r"suspicious: .+": "suspicious",
    r"doubtful: (?P<doubtful>.+)": "",
    r"about (?P<images_to_decide>\d+) images would decide": "",
    r"failed: (?P<export_failures>.+)": "export_failed",
    r"without compiled NMS": "without_compiled_nms",
    r"warm-up not steady at (?P<unsteady>.+)": "",
    r"disturbed \(other processes kept (?P<foreign_cores>[\d.]+) cores busy\)": "disturbed",
    r"disturbed \(GPU: (?P<throttled>.+)\)": "disturbed",
    r"disturbed.*": "disturbed",
    r"latency at batch (?P<timed_batch>\d+)": "",
    r"latency of recipe (?P<timed_recipe>.+?)( \(time again.*)?": "",
}
# in these columns, the commas of one note separate parts
LISTS = ("unsteady", "throttled")


def upgrade(cells: Cells) -> Cells:
    """A line of format 1 with flags; of a line that has them, only columns that came later are added."""
    if "is_reference" in cells:
        return dict.fromkeys(LATER, "") | cells
    flags = NO_FLAGS | {"is_reference": str(not cells.get("verdict"))}
    for note in (cells.get("notes") or "").split(SEPARATOR):
        flags |= _read(note, flags)
    return dict.fromkeys(LATER, "") | cells | flags


def _read(note: str, flags: Cells) -> Cells:
    for pattern, flag in NOTES.items():
        said = re.fullmatch(pattern, note)
        if said:
            texts = {name: text for name, text in said.groupdict().items() if text}
            texts |= {name: texts[name].replace(", ", SEPARATOR) for name in LISTS if name in texts}
            for name in ("doubtful", "export_failures"):
                if name in texts and flags[name]:
                    texts[name] = f"{flags[name]}{SEPARATOR}{texts[name]}"
            return texts | ({flag: "True"} if flag else {})
    return {}
