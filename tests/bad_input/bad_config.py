"""Bad inputs: the config."""

from collections.abc import Callable
from pathlib import Path

from bad_input import CONFIG_FILE, BadInput, edit_config


def edit_configs(*pairs: tuple[str, str]) -> Callable[[Path], object]:
    """Replace several texts of the config."""

    def change(folder: Path) -> None:
        for old, new in pairs:
            edit_config(old, new)(folder)

    return change


def _without_evaluations(folder: Path) -> None:
    path = folder / CONFIG_FILE
    path.write_text(path.read_text().partition("evaluations:")[0])


def _without_models(folder: Path) -> None:
    path = folder / CONFIG_FILE
    head, _, rest = path.read_text().partition("models:\n")
    path.write_text(f"{head}models: {{}}\ndatasets:{rest.partition('datasets:')[2]}")


def _models_as_a_list(folder: Path) -> None:
    edit_config("  demo: {config", "  - {config")(folder)
    edit_config("  theirs: {}\n", "")(folder)


def _link_to_itself(folder: Path) -> None:
    (folder / "loop").symlink_to("loop")
    edit_config("images: plain", "images: loop/plain")(folder)


RAW = "  raw: {runtime: onnxruntime, cut: raw}"
E2E = "  e2e: {runtime: onnxruntime, cut: e2e}"

ROWS = [
    BadInput(
        "key at the top",
        "config: an unknown key at the top",
        edit_config("device: cpu", "devices: cpu"),
        "unknown key 'devices'; did you mean 'device'? known: baseline, comparison, datasets, "
        "device, downloads, evaluations, fingerprints, gate, golden, imports, latency, models, recipes, "
        "report, samples, variants, verify",
    ),
    BadInput(
        "key of a model",
        "config: a misspelt key of a model",
        edit_config("atss_traffic.pth}", "atss_traffic.pth, candidate_flor: 0.1}"),
        "models.demo: unknown key 'candidate_flor'; did you mean 'candidate_floor'? known: "
        "candidate_floor, checkpoint, class_names, classes, config",
    ),
    BadInput(
        "key of a data set",
        "config: a misspelt key of a data set",
        edit_config("slices: slices.csv", "slice: slices.csv"),
        "datasets.street: unknown key 'slice'; did you mean 'slices'? known: annotations, "
        "categories_without_class, classes, format, images, invalid_boxes, label_order, limit, "
        "on_bad_image, shards, slices",
    ),
    BadInput(
        "key of a variant",
        "config: a misspelt key of a variant",
        edit_config("{runtime: pytorch, cut: e2e}", "{runtime: pytorch, cut: e2e, precison: fp16}"),
        "variants.pytorch: unknown key 'precison'; did you mean 'precision'? known: batch, "
        "calibration, category_ids, clip, constants, count, cut, exporter, image_ids, input, "
        "layout, onnx, opset, outputs, precision, provider, recipe, results, runtime, scores, "
        "shape, tf32, topk_limit",
    ),
    BadInput(
        "key of an evaluation",
        "config: a misspelt key of an evaluation",
        edit_config("ladder: [raw, e2e]}", "lader: [raw, e2e]}"),
        "evaluations[0]: unknown key 'lader'; did you mean 'ladder'? known: dataset, diagnose, "
        "ladder, model, published_ap, reference, variants",
    ),
    BadInput(
        "key of the latency",
        "config: a misspelt key of `latency`",
        edit_config("device: cpu", "device: cpu\nlatency: {image: 4}"),
        "latency: unknown key 'image'; did you mean 'images'? known: batch, images, min_runs, "
        "min_seconds, threads, throughput",
    ),
    BadInput(
        "key of a gate's rule",
        "config: a misspelt column in a rule of the gate",
        edit_config("device: cpu", "device: cpu\ngate: [{variants: [raw], agrement: {min: 0.9}}]"),
        "gate[0]: unknown key 'agrement'; did you mean 'agreement'? known: AP, agreement, "
        "baseline_agreement, baseline_delta_AP, baseline_delta_AP_lo, baseline_images_changed, "
        "baseline_latency_p50_ratio, baseline_latency_p50_ratio_hi, dataset, delta_AP, "
        "delta_AP_lo, latency_p50_ms, latency_p99_ms, model, model_mb, variants",
    ),
    BadInput(
        "key of the outputs",
        "config: a misspelt key of an external file's `outputs`",
        edit_config("{onnx: small.onnx}", "{onnx: small.onnx, outputs: {boxes: {tensor: a}}}"),
        "variants.small.outputs: unknown key 'boxes'; did you mean 'box'? known: box, count, "
        "factor, frame, image, label, layout, score",
    ),
    BadInput(
        "two unknown keys",
        "config: two unknown keys in one mapping",
        edit_config("device: cpu", "devise: cpu\nsamlpes: {}"),
        "unknown key 'devise'; did you mean 'device'? known: baseline, comparison, datasets, "
        "device, downloads, evaluations, fingerprints, gate, golden, imports, latency, models, recipes, "
        "report, samples, variants, verify\nunknown key 'samlpes'; did you mean 'samples'? "
        "known: baseline, comparison, datasets, device, downloads, evaluations, fingerprints, gate, "
        "golden, imports, latency, models, recipes, report, samples, variants, verify",
    ),
    BadInput(
        "variant twice",
        "config: one variant twice",
        edit_config(RAW, RAW[:-1] + "}\n  raw: {runtime: onnxruntime, cut: decoded}"),
        "config.yaml, line 11: the key 'raw' appears twice in one mapping; rename or remove one of them",
    ),
    BadInput(
        "no evaluations",
        "config: no `evaluations`",
        _without_evaluations,
        "the key 'evaluations' is missing; add it",
    ),
    BadInput(
        "empty models",
        "config: no model",
        _without_models,
        "models: {} has too few entries; write at least 1",
    ),
    BadInput(
        "unknown device",
        "config: a device that does not exist",
        edit_config("device: cpu", "device: gpu"),
        "device: 'gpu' is not allowed; did you mean 'cpu'? known: auto, cpu, cuda, tensorrt",
    ),
    BadInput(
        "limit of 0",
        "config: `limit: 0`",
        edit_config("slices: slices.csv", "slices: slices.csv, limit: 0"),
        "datasets.street.limit: 0 is less than the minimum of 1",
    ),
    BadInput(
        "limit of text",
        "config: a limit that is text",
        edit_config("slices: slices.csv", "slices: slices.csv, limit: all"),
        "datasets.street.limit: 'all' must be an integer or null",
    ),
    BadInput(
        "limit of a fraction",
        "config: a limit that is a fraction",
        edit_config("slices: slices.csv", "slices: slices.csv, limit: 2.5"),
        "datasets.street.limit: 2.5 must be an integer or null",
    ),
    BadInput(
        "shards of 0",
        "config: `shards: 0`",
        edit_config("slices: slices.csv", "slices: slices.csv, shards: 0"),
        "datasets.street.shards: 0 is less than the minimum of 1",
    ),
    BadInput(
        "images as a list",
        "config: `images` is a list",
        edit_config("images: plain", "images: [plain]"),
        "datasets.plain.images: ['plain'] must be text",
    ),
    BadInput(
        "models as a list",
        "config: `models` is a list",
        _models_as_a_list,
        "models: [{'config': 'detector/atss_traffic.py', 'checkpoint': "
        "'detector/atss_traffic.pth'}] must be a mapping",
    ),
    BadInput(
        "variant as text",
        "config: a variant that is text",
        edit_config("  e2e: {runtime: onnxruntime, cut: e2e}", "  e2e: e2e"),
        "variants.e2e: 'e2e' must be a mapping",
    ),
    BadInput(
        "a name that leaves results",
        "config: a data set whose name is a path out of results/",
        edit_config("  plain: {images: plain", "  ../plain: {images: plain"),
        "datasets: the name '../plain' may have letters, digits, _ and - only, at most 100",
    ),
    BadInput(
        "a name with a slash",
        "config: a model whose name has a slash",
        edit_config("  theirs: {}", "  their/s: {}"),
        "models: the name 'their/s' may have letters, digits, _ and - only, at most 100",
    ),
    BadInput(
        "a name with a blank",
        "config: a variant whose name has a blank",
        edit_config("  small: {onnx", '  "sm all": {onnx'),
        "variants: the name 'sm all' may have letters, digits, _ and - only, at most 100",
    ),
    BadInput(
        "a name of 200 letters",
        "config: a variant whose name has 200 letters",
        edit_config("  small: {onnx", f"  {200 * 's'}: {{onnx"),
        "variants: the name "
        "'ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss"
        "sssssssssssssssssssssssssssssssssss may have letters, digits, _ and - only, at most "
        "100",
    ),
    BadInput(
        "a name that is a number",
        "config: a variant whose name is a number",
        edit_config("  small: {onnx", "  8: {onnx"),
        "variants: the name 8 must be text; put it in quotes",
    ),
    BadInput(
        "a name that is on",
        "config: a variant of the name `on`, which YAML reads as true",
        edit_config("  small: {onnx", "  on: {onnx"),
        "variants: the name True must be text; put it in quotes (YAML reads on, off, yes and "
        "no as truth values)",
    ),
    BadInput(
        "unknown cut",
        "config: a cut that does not exist",
        edit_config("  raw: {runtime: onnxruntime, cut: raw}", "  raw: {runtime: onnxruntime, cut: head}"),
        "variants.raw.cut: 'head' is not allowed; known: decoded, e2e, raw",
    ),
    BadInput(
        "cut missing",
        "config: a variant without a cut",
        edit_config("  raw: {runtime: onnxruntime, cut: raw}", "  raw: {runtime: onnxruntime}"),
        "variants.raw: the key 'cut' is missing; add it",
    ),
    BadInput(
        "unknown recipe",
        "config: a recipe that does not exist",
        edit_config(RAW, RAW[:-1] + ", recipe: mmdet4}"),
        "variants.raw.recipe: unknown recipe 'mmdet4'; did you mean 'mmdet3'? known: "
        "class-agnostic, detr, final, final-clipped, final-per-axis, mmdeploy, mmdet2-onnx, "
        "mmdet3, nanodet, queries, seed-per-class, seed-topk-nms, ssd, ultralytics, yolov5, "
        "yolox",
    ),
    BadInput(
        "threshold of 30",
        "config: a score threshold in percent",
        edit_config(RAW, RAW[:-1] + ", recipe: {base: mmdet3, score_thr: 30}}"),
        "variants.raw.recipe.score_thr: 30 is greater than or equal to the maximum of 1",
    ),
    BadInput(
        "threshold below the floor",
        "config: a score threshold below the model's candidates",
        edit_configs(
            (", ladder: [raw, e2e]", ""), (RAW, RAW[:-1] + ", recipe: {base: mmdet3, score_thr: 0.001}}")
        ),
        "variants.raw: recipe threshold 0.001: candidates end at class score 0.05; raise the "
        "recipe's score_thr or lower models.<model>.candidate_floor",
    ),
    BadInput(
        "IoU of NaN",
        "config: an IoU threshold that is NaN",
        edit_config(RAW, RAW[:-1] + ", recipe: {base: mmdet3, iou_threshold: .nan}}"),
        "variants.raw.recipe.iou_threshold: nan is not a finite number; write one",
    ),
    BadInput(
        "step unknown",
        "config: a recipe with an unknown step",
        edit_config(RAW, RAW[:-1] + ", recipe: {steps: [{step: treshold}]}}"),
        "variants.raw.recipe: recipe step 1 'treshold': unknown; did you mean 'threshold'? "
        "known: best_box, best_class, clip, max_per_img, min_size, multiply_factor, nms, "
        "rescale, score_voting, threshold, top_k",
    ),
    BadInput(
        "voting in a graph",
        "config: a hand-written NMS inside a file of the cut e2e",
        edit_config(E2E, E2E[:-1] + ", recipe: seed-per-class}"),
        "variants.e2e.recipe: seed-per-class cannot be part of a graph, since ONNX has no NMS "
        "with its IoU; use cut raw or decoded",
    ),
    BadInput(
        "opset of 17",
        "config: an opset that no exporter writes",
        edit_config(RAW, RAW[:-1] + ", opset: 17}"),
        "variants.raw.opset: 17 is less than the minimum of 18",
    ),
    BadInput(
        "opset of the older exporter",
        "config: an opset that the chosen exporter does not write",
        edit_configs((", ladder: [raw, e2e]", ""), (RAW, RAW[:-1] + ", opset: 22, exporter: torchscript}")),
        "variants.raw: opset 22: the exporter torchscript writes 18 to 20 here",
    ),
    BadInput(
        "shape of one side",
        "config: a shape of one side",
        edit_config(RAW, RAW[:-1] + ", shape: [64]}"),
        "variants.raw.shape: [64] has too few entries; write at least 2",
    ),
    BadInput(
        "batch of a fixed shape",
        "config: a batch of two for a file of fixed shape",
        edit_config(RAW, RAW[:-1] + ", shape: [64, 64], batch: 2}"),
        "variants.raw.batch: a file of fixed shape takes one image; use shape dynamic, or batch 1",
    ),
    BadInput(
        "tf32 on the CPU",
        "config: tf32 on the CPU",
        edit_config(RAW, RAW[:-1] + ", tf32: true}"),
        "variants.raw.tf32: only cuda, tensorrt have it, and this runs on cpu; remove it",
    ),
    BadInput(
        "int8 without calibration",
        "config: int8 without calibration",
        edit_config(RAW, RAW[:-1] + ", precision: int8}"),
        "variants.raw: int8 takes its ranges from images; add calibration: {dataset: NAME}",
    ),
    BadInput(
        "calibrated on the scored images",
        "config: int8 calibrated on the images that are scored",
        edit_configs(
            (", ladder: [raw, e2e]", ""),
            (RAW, RAW[:-1] + ", precision: int8, calibration: {dataset: street}}"),
        ),
        "evaluations[0]: variant raw is calibrated on street, whose images images are those "
        "that are scored; calibrate it on other images",
    ),
    BadInput(
        "top-k limit of raw",
        "config: `topk_limit` of a file that ends at the head",
        edit_config(RAW, RAW[:-1] + ", topk_limit: 3840}"),
        "variants.raw.topk_limit: 3840 is a form of the cut e2e; remove it, or use cut e2e",
    ),
    BadInput(
        "pytorch decoded",
        "config: the cut decoded of PyTorch",
        edit_config("{runtime: pytorch, cut: e2e}", "{runtime: pytorch, cut: decoded}"),
        "variants.pytorch.cut: pytorch has the cuts raw and e2e; use one of them, or runtime onnxruntime",
    ),
    BadInput(
        "ladder of two differences",
        "config: neighbours of a ladder that differ in two things",
        edit_config(E2E, E2E[:-1] + ", opset: 19}"),
        "evaluations[0].ladder: raw and e2e must differ in one thing, but differ in cut, "
        "opset; put variants between them, or leave one out",
    ),
    BadInput(
        "ladder of a results file",
        "config: a results file in a ladder",
        edit_config("ladder: [raw, e2e]", "ladder: [raw, finished]"),
        "evaluations[0].ladder: finished is a results file, so it is not known how it differs "
        "from its neighbours; leave it out",
    ),
    BadInput(
        "reference elsewhere",
        "config: a reference that the evaluation does not have",
        edit_config("ladder: [raw, e2e]}", "ladder: [raw, e2e], reference: small}"),
        "evaluations[0].reference: 'small' is not among this evaluation's variants; known: "
        "e2e, finished, pytorch, raw",
    ),
    BadInput(
        "model unknown",
        "config: an evaluation of an unknown model",
        edit_config("{model: theirs, dataset", "{model: theirz, dataset"),
        "evaluations[2].model: 'theirz' is not among models; did you mean 'theirs'? known: demo, theirs",
    ),
    BadInput(
        "pair twice",
        "config: one model on one data set in two evaluations",
        edit_config(
            "  - {model: theirs, dataset",
            "  - {model: demo, dataset: street, variants: [pytorch]}\n  - {model: theirs, dataset",
        ),
        "evaluations[2]: model 'demo' on dataset 'street' appears twice; list all its variants "
        "in one evaluation",
    ),
    BadInput(
        "published AP of other data",
        "config: `published_ap` beside annotations that are not val2017's",
        edit_config("ladder: [raw, e2e]}", "ladder: [raw, e2e], published_ap: 0.4}"),
        "evaluations[0].published_ap: it is allowed only with COCO val2017's own annotations, "
        "and truth.json is not instances_val2017.json (sha256 differs); set it to null",
    ),
    BadInput(
        "slices that do not exist",
        "config: a slices file that does not exist",
        edit_config("slices: slices.csv", "slices: slice.csv"),
        "datasets.street.slices: no file slice.csv (looked from FOLDER, beside the Snakefile, "
        "and among the paths of data/sources.tsv); did you mean 'slices.csv'?",
    ),
    BadInput(
        "class map to nothing",
        "config: a class map to a category that the annotations do not have",
        edit_config("slices: slices.csv", "slices: slices.csv, classes: {other: othr}"),
        "datasets.street.classes.other: truth.json has no category 'othr'; did you mean "
        "'other'? known: motor-vehicle, non-motor-vehicle, other, pedestrian",
    ),
    BadInput(
        "class map without annotations",
        "config: a class map of a data set without annotations",
        edit_config("annotations: null", "annotations: null, classes: {other: other}"),
        "datasets.plain.classes: only a data set with annotations has categories; set it to null",
    ),
    BadInput(
        "baseline missing",
        "config: a bound of the gate on another run, and no baseline",
        edit_config("device: cpu", "device: cpu\ngate: [{variants: [raw], baseline_agreement: {min: 0.9}}]"),
        "gate[0].baseline_agreement: no run to compare with; write gate: {baseline: PATH, "
        "rules: [...]} with the path of the other run's capsule.zip",
    ),
    BadInput(
        "gate of nothing",
        "config: a rule of the gate without a bound",
        edit_config("device: cpu", "device: cpu\ngate: [{variants: [raw]}]"),
        "gate[0]: the rule has no bound; add one, such as delta_AP_lo: {min: -0.002}",
    ),
    BadInput(
        "module missing",
        "config: an import that does not exist",
        edit_config("device: cpu", "device: cpu\nimports: [my.hooks]"),
        "imports: no module 'my.hooks' below FOLDER or among the installed ones",
    ),
    BadInput(
        "path of 400 characters",
        "config: a path with a name of 400 characters",
        edit_config("images: plain", f"images: {'x' * 400}"),
        f"datasets.plain.images: {'x' * 100}... cannot be opened: File name too long",
    ),
    BadInput(
        "path through a loop of links",
        "config: a path through a link to itself",
        _link_to_itself,
        "datasets.plain.images: loop/plain cannot be opened: Too many levels of symbolic links",
    ),
    BadInput(
        "margin of 0",
        "config: a margin of 0",
        edit_config("device: cpu", "device: cpu\ncomparison: {margin: 0}"),
        "comparison.margin: 0 is less than or equal to the minimum of 0",
    ),
    BadInput(
        "four mistakes at once",
        "config: four mistakes in four places",
        edit_configs(
            ("images: plain", "images: plane"),
            ("atss_traffic.pth}", "atss.pth}"),
            ("cut: raw}", "cut: raw, recipe: mmdet4}"),
            ("variants: [small]", "variants: [smal]"),
        ),
        "variants.raw.recipe: unknown recipe 'mmdet4'; did you mean 'mmdet3'? known: "
        "class-agnostic, detr, final, final-clipped, final-per-axis, mmdeploy, mmdet2-onnx, "
        "mmdet3, nanodet, queries, seed-per-class, seed-topk-nms, ssd, ultralytics, yolov5, "
        "yolox\nevaluations[2].variants: 'smal' is not among variants; did you mean 'small'? "
        "known: e2e, finished, pytorch, raw, small\nmodels.demo.checkpoint: no file "
        "detector/atss.pth (looked from FOLDER, beside the Snakefile, and among the paths of "
        "data/sources.tsv); did you mean 'detector/atss_traffic.pth'?\ndatasets.plain.images: "
        "no folder plane (looked from FOLDER, beside the Snakefile, and among the paths of "
        "data/sources.tsv); did you mean 'plain'?",
    ),
]
