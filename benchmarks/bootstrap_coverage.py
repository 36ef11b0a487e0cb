"""Do the bootstrap's intervals cover? Pairs of variants on samples of a simulated population of images.

The truth is the AP difference on the whole population; each pair is a fresh sample of its images.

Run: ``python benchmarks/bootstrap_coverage.py``
"""

import argparse
import os
import time
from dataclasses import replace

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

import numpy as np
from synthetic import degrade, detect, draw_truth

from cutpoint.compare.bootstrap import draw_multiplicities, estimate, mean_ap
from cutpoint.evaluate.average_precision import AREAS, weighted_ap
from cutpoint.evaluate.matches import ClassMatches, match_images
from cutpoint.records.detections import make_results
from cutpoint.records.truth import make_truth

# fixed before the first run
SEED = 20260914
CLASSES, BOXES, BACKGROUND = 3, 1.5, 2.0


def make_population(seed: int, images: int) -> list[list[ClassMatches]]:
    """Two variants, matched to the ground truth of a population."""
    random = np.random.default_rng(seed)
    truth = draw_truth(random, images, CLASSES, BOXES)
    reference = detect(random, truth, BACKGROUND)
    sides = reference, degrade(random, reference)
    return [match_images(make_truth(truth), make_results(side)) for side in sides]


def choose(matches: list[ClassMatches], images: np.ndarray) -> list[ClassMatches]:
    """Matches of some images only; ``images`` are positions in the population, ascending."""
    position = np.full(matches[0].positives.shape[1], -1)
    position[images] = np.arange(len(images))
    chosen = []
    for m in matches:
        keep = np.flatnonzero(position[m.images] >= 0)
        chosen.append(
            replace(
                m,
                images=position[m.images[keep]],
                scores=m.scores[keep],
                counted=m.counted[..., keep],
                correct=m.correct[..., keep],
                positives=m.positives[:, images],
            )
        )
    return chosen


def deltas(sides: list[list[ClassMatches]], weights: np.ndarray) -> np.ndarray:
    """``(R, 4)`` AP differences for the area ranges."""
    reference, variant = (mean_ap(weighted_ap(side, weights)) for side in sides)
    return variant - reference


def simulate(
    population: list[list[ClassMatches]], seed: int, pairs: int, images: int, resamples: int, collapse: bool
) -> np.ndarray:
    """``(pairs, 1 + resamples, 4)``: observed difference of each pair, then its resamples.

    ``collapse`` counts an image that was drawn more than once as one.
    """
    total = population[0][0].positives.shape[1]
    found = []
    for pair in range(pairs):
        random = np.random.default_rng([seed, pair])
        sample = np.sort(random.choice(total, images, replace=False))
        weights = draw_multiplicities(images, resamples, int(random.integers(2**32)))
        if collapse:
            weights = np.minimum(weights, 1)
        weights = np.column_stack([np.ones(images, dtype=np.int64), weights])
        found.append(deltas([choose(side, sample) for side in population], weights))
    return np.array(found)


def coverage(found: np.ndarray, truth: np.ndarray, images: int, interval: str) -> np.ndarray:
    """``(4,)`` share of pairs whose interval holds the truth."""
    limits = np.array([[getattr(estimate(row, images), interval) for row in pair.T] for pair in found])
    return ((limits[..., 0] <= truth) & (truth <= limits[..., 1])).mean(axis=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--population", type=int, default=100_000)
    parser.add_argument("--images", type=int, default=500, help="per pair")
    parser.add_argument("--pairs", type=int, default=500)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--collapse", action="store_true", help="show what collapsed resamples give")
    options = parser.parse_args()
    start = time.perf_counter()
    population = make_population(options.seed, options.population)
    truth = deltas(population, np.ones((options.population, 1), dtype=np.int64))[0]
    print(f"truth of {options.population} images: {dict(zip(AREAS, truth.round(5).tolist(), strict=True))}")
    print(f"population matched after {time.perf_counter() - start:.0f} s", flush=True)
    found = simulate(
        population, options.seed, options.pairs, options.images, options.resamples, options.collapse
    )
    spread = found[:, 0].std(axis=0, ddof=1)
    error = found[:, 1:].std(axis=1, ddof=1).mean(axis=0)
    print(f"{options.pairs} pairs of {options.images} images, {options.resamples} resamples each")
    print("area, mean delta AP, its spread, mean bootstrap standard error, coverage at 95 %, at 90 %")
    shares = [coverage(found, truth, options.images, f"ci{level}") for level in (95, 90)]
    for row in zip(AREAS, found[:, 0].mean(axis=0), spread, error, *shares, strict=True):
        print("{:7} {:.5f} {:.5f} {:.5f} {:.3f} {:.3f}".format(*row))
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
