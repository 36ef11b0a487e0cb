"""Write the capsule of a run: one file with all that a comparison with another run needs."""

import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from cutpoint.files import replacing
from cutpoint.records.capsule import Capsule, CapsuleVariant, ImageSet, TruthSet, write_capsule
from cutpoint.records.detections import Refused, read_results
from cutpoint.records.manifest import read_manifest
from cutpoint.records.packed import ImageHashes, pack_images, pack_results
from cutpoint.records.truth import read_truth
from cutpoint.runs import facts

CONTENT = "capsule.json"
# compressed already
STORED = (".parquet", ".npz")
# the earliest time of a zip: the same content gives the same bytes
TIME = (1980, 1, 1, 0, 0, 0)


def make_capsule(
    *,
    config: dict[str, Any],
    files: list[list[str]],
    manifests: dict[str, str],
    truths: list[dict[str, str]],
    samples: list[dict[str, str]],
    variants: list[dict[str, Any]],
    tables: list[str],
    out: str,
) -> None:
    """Write ``results/capsule.zip``, completely or not at all.

    The same content gives the same bytes. ``docs/files.md`` lists what is inside.

    Args:
        config: the completed config.
        files: pairs of role and path of the files that numbers depend on.
        manifests: path by data set.
        truths: ``{dataset, model, path}`` of each ground truth.
        samples: ``{dataset, model, path}`` of each file of latency samples.
        variants: ``{dataset, model, variant, is_reference, detections, resamples, latency}``, paths (null:
            there is none), in table order.
        tables: paths of the CSV tables.
        out: the zip.
    """
    with tempfile.TemporaryDirectory(prefix="cutpoint-capsule-") as name:
        folder = Path(name)
        images = {dataset: facts.hash_images(read_manifest(path)) for dataset, path in manifests.items()}
        for dataset, hashes in images.items():
            pack_images(folder / f"images/{dataset}.parquet", hashes)
        for path in tables:
            _copy(path, folder / "tables" / Path(path).name)
        for entry in samples:
            _copy(entry["path"], folder / f"samples/{entry['dataset']}/{entry['model']}.parquet")
        content = Capsule(
            cutpoint=facts.own_version(),
            commit=facts.commit(),
            config=config,
            machine=facts.machine(),
            libraries=facts.versions(),
            files=facts.hash_files(files),
            images=tuple(_images(dataset, hashes) for dataset, hashes in images.items()),
            truths=tuple(_truth(entry, images[entry["dataset"]]) for entry in truths),
            variants=tuple(_variant(entry, folder) for entry in variants),
        )
        write_capsule(folder / CONTENT, content)
        _zip(folder, out)


def _images(dataset: str, hashes: ImageHashes) -> ImageSet:
    return facts.describe_images(dataset, hashes)


def _truth(entry: dict[str, str], hashes: ImageHashes) -> TruthSet:
    return facts.describe_truth(entry["dataset"], entry["model"], read_truth(entry["path"]), hashes)


def _variant(entry: dict[str, Any], folder: Path) -> CapsuleVariant:
    """Put a variant's files into the folder."""
    place = f"{entry['dataset']}/{entry['model']}/{entry['variant']}"
    refused, detections = None, None
    try:
        results = read_results(entry["detections"])
        pack_results(folder / f"detections/{place}.parquet", results)
        detections = len(results)
    except Refused as error:
        refused = error.reason
    for kind, ending in (("resamples", "npz"), ("latency", "json")):
        if entry[kind]:
            _copy(entry[kind], folder / f"{kind}/{place}.{ending}")
    return CapsuleVariant(
        entry["dataset"],
        entry["model"],
        entry["variant"],
        is_reference=entry["is_reference"],
        refused=refused,
        detections=detections,
        resamples=bool(entry["resamples"]),
        latency=bool(entry["latency"]),
    )


def _copy(path: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target)


def _zip(folder: Path, out: str) -> None:
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    names.sort(key=lambda name: name != CONTENT)
    with replacing(out) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name in names:
            member = zipfile.ZipInfo(name, TIME)
            member.compress_type = zipfile.ZIP_STORED if name.endswith(STORED) else zipfile.ZIP_DEFLATED
            member.create_system, member.external_attr = 3, 0o644 << 16
            with open(folder / name, "rb") as source, archive.open(member, "w", force_zip64=True) as target:
                shutil.copyfileobj(source, target, 2**20)
