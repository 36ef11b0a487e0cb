import re
from types import SimpleNamespace

from cutpoint.plan.paths import slices_file, truth_file
from cutpoint.plan.sources import KEPT


def get_source_pattern(is_folder):
    """Matches the paths of data/sources.tsv; matches nothing if there is none."""
    paths = [
        re.escape(path)
        for path, source in SOURCES.items()
        if source.is_folder == is_folder
    ]
    return "|".join(paths) or "(?!)"


def get_source_settings(wildcards):
    """What a download is."""
    source = SOURCES[wildcards.source]
    return {
        "member": source.member,
        "sha256": source.sha256,
        "size": source.size_bytes,
    }


def get_source_places(wildcards):
    """Where a download comes from. Snakemake does not compare a namespace: another place repeats no download."""
    source = SOURCES[wildcards.source]
    return SimpleNamespace(
        urls=source.urls,
        unpacked=source.unpacked_bytes,
        folder=CONFIG["downloads"]["folder"],
        kept=KEPT,
    )


def get_dataset_files(wildcards):
    dataset = PLAN.dataset(wildcards.dataset)
    files = {"images": as_source(dataset.images)}
    if dataset.converted_from:
        # images and boxes count by digests, so a file that is made again repeats nothing by itself
        files["annotations"] = ancient(dataset.annotations)
    elif dataset.annotations:
        files["annotations"] = as_source(dataset.annotations)
    return files


def get_annotations(wildcards):
    return as_source(PLAN.dataset(wildcards.dataset).annotations)


def get_annotations_digest(wildcards):
    return get_digests([PLAN.dataset(wildcards.dataset).annotations])


def get_listing_digest(wildcards):
    """Digest of the annotations' images and categories; null for a file that is still to be fetched."""
    dataset = PLAN.dataset(wildcards.dataset)
    if dataset.converted_from:
        listing = get_converted_listing(dataset)
        return listing and listing.digest
    path = dataset.annotations
    return DIGESTS.of_listing(path).digest if path and Path(path).is_file() else None


def get_images_digest(wildcards):
    """Looked up once in a plan: 100,000 files are asked for their times, and several rules depend on them."""
    dataset = PLAN.dataset(wildcards.dataset)
    return DIGESTS.once(f"images {dataset.name}", lambda: find_images_digest(dataset))


def find_images_digest(dataset):
    if dataset.converted_from:
        listing = get_converted_listing(dataset)
        return listing and DIGESTS.of_named(
            dataset.images, listing.file_names, dataset.limit
        )
    paths = [dataset.images, *([dataset.annotations] if dataset.annotations else [])]
    if not all(Path(path).exists() for path in paths):
        return None
    return DIGESTS.of_images(dataset.images, dataset.annotations, dataset.limit)


def get_manifest_settings(wildcards):
    dataset = PLAN.dataset(wildcards.dataset)
    keys = ("images", "annotations", "limit", "invalid_boxes", "on_bad_image")
    return place({key: getattr(dataset, key) for key in keys})


def get_label_settings(wildcards):
    dataset = PLAN.dataset(wildcards.dataset)
    return {"classes": dataset.class_map, "order": dataset.label_order}


def get_truth_settings(wildcards):
    dataset = PLAN.dataset(wildcards.dataset)
    keys = ("invalid_boxes", "categories_without_class")
    return {key: getattr(dataset, key) for key in keys}


def get_slices(wildcards):
    return as_source(PLAN.dataset(wildcards.dataset).slices)


def get_slices_record(wildcards):
    """The checked slices; empty without slices."""
    slices = slices_file(PLAN.dataset(wildcards.dataset))
    return {"slices": slices} if slices else {}


def get_slices_settings(wildcards):
    return {"slices": PLAN.dataset(wildcards.dataset).slices}


def get_slices_digest(wildcards):
    return get_digests([PLAN.dataset(wildcards.dataset).slices])


def get_sliced_datasets():
    """Matches the data sets that have slices."""
    return match_any(dataset.name for dataset in PLAN.datasets if dataset.slices)


def get_truth(wildcards):
    """The ground truth; empty without annotations."""
    truth = truth_file(get_evaluation(wildcards))
    return {"truth": truth} if truth else {}


def get_scorable(wildcards):
    """The ground truth, which a network waits for: what is wrong in the data is told before. It repeats nothing."""
    return {name: ancient(path) for name, path in get_truth(wildcards).items()}
