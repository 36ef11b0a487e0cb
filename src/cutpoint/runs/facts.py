"""What a run is made with: Cutpoint's version, libraries, machine; and the content of files."""

import hashlib
import importlib.metadata
import subprocess
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from cutpoint.errors import UserError
from cutpoint.latency.watch import gpu_limits
from cutpoint.machine import LIBRARIES, library_versions, machine_facts
from cutpoint.onnx_file import external_data_files
from cutpoint.records.capsule import HashedFile, ImageSet, TruthSet
from cutpoint.records.manifest import Manifest
from cutpoint.records.packed import ImageHashes
from cutpoint.records.truth import GroundTruth

# besides those whose code is timed
MORE_LIBRARIES = ("pycocotools", "scipy", "pandas", "pyarrow", "onnxscript", "snakemake")
# change from moment to moment
VOLATILE = ("load_1min", "libraries")


def versions() -> dict[str, str]:
    """Versions of the libraries that numbers depend on."""
    return library_versions((*LIBRARIES, *MORE_LIBRARIES))


def machine() -> dict[str, Any]:
    """Facts about this machine that stay the same; see ``machine.machine_facts`` and ``watch.gpu_limits``."""
    facts = {name: value for name, value in machine_facts().items() if name not in VOLATILE}
    return facts | {"gpu_limits": gpu_limits()}


def own_version() -> str:
    """Cutpoint's version."""
    return importlib.metadata.version("cutpoint")


def commit() -> str | None:
    """The git commit of Cutpoint's source, ``+changes`` after it if files differ; null outside git."""
    folder = Path(__file__).parent
    head = _git(folder, "rev-parse", "--short=12", "HEAD")
    # an installed package may lie inside some other repository
    if not head or not _git(folder, "ls-files", Path(__file__).name):
        return None
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ":/src", ":/workflow")
    return f"{head}+changes" if changed else head


def _git(folder: Path, *arguments: str) -> str | None:
    # status would rewrite the index otherwise: the clone may lie outside the working directory
    command = ["git", "--no-optional-locks", "-C", str(folder), *arguments]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


def hash_files(roles: Iterable[Sequence[str]]) -> tuple[HashedFile, ...]:
    """Hash files; ``roles``: pairs of role and path."""
    pairs = [(role, path) for role, path in roles]
    # tensors that do not fit into an ONNX file lie beside it
    pairs += [
        (f"{role}, {Path(file).name}", file)
        for role, path in pairs
        if path.endswith(".onnx")
        for file in external_data_files(path)
    ]
    with ThreadPoolExecutor() as pool:
        digests = pool.map(lambda pair: _hash(pair[1]), pairs)
    return tuple(
        HashedFile(role, path, digest, Path(path).stat().st_size)
        for (role, path), digest in zip(pairs, digests, strict=True)
    )


def hash_images(manifest: Manifest) -> ImageHashes:
    """Hash the images of a manifest."""
    with ThreadPoolExecutor() as pool:
        hashes = list(pool.map(lambda image: _hash(image.path), manifest.images))
    ids = np.array(manifest.ids, dtype=np.int64)
    return ImageHashes(ids, [image.file_name for image in manifest.images], hashes)


def describe_images(dataset: str, images: ImageHashes) -> ImageSet:
    """The images of a data set in one line."""
    return ImageSet(dataset, len(images.ids), _combine(sorted(images.sha256)))


def describe_truth(dataset: str, model: str, truth: GroundTruth, images: ImageHashes) -> TruthSet:
    """The ground truth of a data set and model in one line. The order of boxes and their ids do not count."""
    content = dict(zip(images.ids.tolist(), images.sha256, strict=True))
    names = {category.id: category.name for category in truth.categories}
    boxes = sorted(
        [content[image], names[category], *box, area, crowd]
        for image, category, box, area, crowd in zip(
            truth.image_id.tolist(),
            truth.category_id.tolist(),
            truth.bbox.tolist(),
            truth.area.tolist(),
            truth.iscrowd.tolist(),
            strict=True,
        )
    )
    scored = sorted(content[image] for image in truth.image_ids)
    return TruthSet(dataset, model, len(truth), _combine([scored, sorted(names.items()), boxes]))


def _hash(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); put it back") from error


def _combine(value: Any) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()
