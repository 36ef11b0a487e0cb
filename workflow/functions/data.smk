import re


def get_source_pattern(is_folder):
    """Matches the paths of data/sources.tsv; where there is none, nothing."""
    paths = [
        re.escape(path)
        for path, source in SOURCES.items()
        if source.is_folder == is_folder
    ]
    return "|".join(paths) or "(?!)"


def get_source_settings(wildcards):
    source = SOURCES[wildcards.source]
    return {
        "url": source.url,
        "member": source.member,
        "sha256": source.sha256,
        "size": source.size_bytes,
    }


def get_dataset_files(wildcards):
    dataset = PLAN.dataset(wildcards.dataset)
    files = {"images": dataset.images}
    return (
        {**files, "annotations": dataset.annotations} if dataset.annotations else files
    )
