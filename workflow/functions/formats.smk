from cutpoint.plan.converted import listing_of, source_digest
from cutpoint.plan.inspections import conversion_settings
from cutpoint.plan.paths import conversion_file


def get_conversion(wildcards):
    """The record of the conversion; empty if annotations are used as they are."""
    record = conversion_file(PLAN.dataset(wildcards.dataset))
    return {"conversion": record} if record else {}


def get_converted_sources(wildcards):
    dataset = PLAN.dataset(wildcards.dataset)
    return [as_source(dataset.images), as_source(dataset.converted_from)]


def get_converted_digest(wildcards):
    return source_digest(DIGESTS, PLAN.dataset(wildcards.dataset))


def get_conversion_settings(wildcards):
    return conversion_settings(PLAN.dataset(wildcards.dataset))


def get_converted_datasets():
    """Matches the data sets whose annotations are converted."""
    return match_any(d.name for d in PLAN.datasets if d.converted_from)


def get_converted_listing(dataset):
    """Images and categories that the conversion lists; null for files that are still to be fetched."""
    code = get_code("cutpoint.formats.convert")["digest"]
    return listing_of(DIGESTS, dataset, code)
