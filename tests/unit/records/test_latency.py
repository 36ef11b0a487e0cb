import json
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cutpoint.errors import UserError
from cutpoint.files import read_json, write_json
from cutpoint.records.latency import COPIES, IN_ORDER, STAGES, Latency, read_latency, write_latency
from cutpoint.records.timing import METADATA, Timing, read_samples, write_samples

PERCENTILES = {"p50": 2.5, "p90": 3.0, "p95": 3.5, "p99": 4.0, "mean": 2.625, "n": 8}
TIMED = {
    "runtime": "onnxruntime",
    "cut": "raw",
    "tf32": False,
    "provider_asked": "cuda",
    "recipe": "mmdet3",
    "provider_got": "cpu",
    "notes": ["warm-up not steady at 8x8"],
    "graph_optimisation": "ORT_ENABLE_ALL",
    "provider_options": {},
    "cuda_graph": False,
    "pinned": False,
    "affinity": [0, 1],
    "cold_start": {"open_s": 0.5, "first_run_ms": 9.5},
    "warm_up": {
        "shapes": {"8x8": {"runs": 30, "stable": False}, "8x9": {"runs": 3, "stable": True}},
        "runs": 33,
        "seconds": 0.5,
    },
    "load": {"seconds": 5.0, "foreign_seconds": 0.5, "foreign_cores": 0.1},
    "throughput": None,
    "memory": {"host_peak_mib": 70.5, "device_mib": None},
    "census": {"nodes": {"CPU": 3}, "parts": 1, "copies": 0, "share": {"CPU": 1.0}, "slowest": {"Conv": 0.5}},
}
SHARED = {"threads": 2, "batch": 1, "images": 16, "block_images": 8, "machine": {"processor": "x"}}
SHARED |= {"watch": {"before": {"load_1min": 0.1}, "during": {}, "after": {}, "throttled": []}}
STAGE_NUMBERS = dict.fromkeys(STAGES, PERCENTILES) | {"total": PERCENTILES | {"p50_ci95": [2.0, 3.0]}}
# as they were before the format had a number
OLD = {
    "variant": "raw",
    **TIMED,
    "stages": STAGE_NUMBERS,
    "difference": None,
    **SHARED,
    "samples": "s.parquet",
}
OLD_TIMING = {**SHARED, "variants": {"raw": TIMED, "pytorch": TIMED | {"notes": ["without compiled NMS"]}}}


def read_old(folder, **changes) -> Latency:
    write_json(folder / "old.json", OLD | changes)
    return read_latency(folder / "old.json")


@pytest.mark.parametrize(
    ("notes", "uncompiled", "disturbed"),
    [
        ([], False, False),
        (["without compiled NMS"], True, False),
        (["warm-up not steady at 8x8", "disturbed (GPU: hardware slowdown)"], False, True),
    ],
)
def test_flags_of_an_older_file_are_read_off_its_notes(tmp_path, notes, uncompiled, disturbed):
    latency = read_old(tmp_path, notes=notes)
    assert (latency.without_compiled_nms, latency.disturbed) == (uncompiled, disturbed)
    assert latency.unsteady == ("8x8",)
    assert latency.node_placement.nodes == {"CPU": 3}


def test_notes_of_todays_files_are_no_flags(tmp_path):
    latency = replace(read_old(tmp_path), notes=("without compiled NMS", "disturbed"))
    write_latency(tmp_path / "raw.json", latency)
    assert read_latency(tmp_path / "raw.json") == latency
    assert not read_latency(tmp_path / "raw.json").without_compiled_nms


def test_the_file_keeps_its_keys_and_names_only_stages_that_there_are(tmp_path):
    write_latency(tmp_path / "raw.json", read_old(tmp_path))
    content = read_json(tmp_path / "raw.json")
    assert {key: content[key] for key in OLD if key != "census"} == {
        k: v for k, v in OLD.items() if k != "census"
    }
    assert set(content) - set(OLD) == {"format", "node_placement", "without_compiled_nms", "disturbed"}
    stages = STAGE_NUMBERS | dict.fromkeys(COPIES, PERCENTILES)
    latency = read_old(tmp_path, stages=stages)
    assert list(latency.stages.in_order()) == list(IN_ORDER)
    write_latency(tmp_path / "raw.json", latency)
    assert read_json(tmp_path / "raw.json")["stages"] == stages


def test_a_file_that_lacks_a_number_is_refused_by_its_key(tmp_path):
    stages = STAGE_NUMBERS | {"inference": {"p50": 1.0}}
    with pytest.raises(UserError, match=r"old\.json: stages\.inference: object missing required field p90"):
        read_old(tmp_path, stages=stages)


def test_samples_come_back_with_how_they_were_taken(tmp_path):
    path = tmp_path / "samples.parquet"
    table = pa.table({"variant": ["raw"], "round": [0], "image_id": [7], "total": [2.5]})
    pq.write_table(table.replace_schema_metadata({METADATA: json.dumps(OLD_TIMING)}), path)
    frame, timing = read_samples(path)
    assert isinstance(timing, Timing)
    assert [t.without_compiled_nms for t in timing.variants.values()] == [False, True]
    write_samples(path, frame.to_dict("records"), timing)
    again, same = read_samples(path)
    assert same == timing
    assert again.equals(frame)


def test_another_file_is_no_samples(tmp_path):
    path = tmp_path / "samples.parquet"
    pq.write_table(pa.table({"total": [2.5]}), path)
    with pytest.raises(UserError, match=r"samples\.parquet: not a file of latency samples"):
        read_samples(path)
