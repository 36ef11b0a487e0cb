"""The PyTorch side: mmdet's own pipeline and post-processing, or mmdet's head tensors with our recipe."""

import copy
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.dataset import Compose, pseudo_collate

from cutpoint.data.image import clip_size, decode, fit_size, image_sizes, prepare
from cutpoint.data.inputs import Definition, resolve_input
from cutpoint.decode.candidates import from_raw
from cutpoint.detector.build import build_detector, load_config
from cutpoint.detector.describe_input import image_steps
from cutpoint.detector.kinds import open_cuts, open_halves
from cutpoint.detector.mmdet_types import Detector
from cutpoint.detector.testset import find_test_pipeline
from cutpoint.errors import UserError
from cutpoint.predict.pipeline import Pipeline, padded_together, stack
from cutpoint.predict.shard import write_predictions
from cutpoint.providers import get_provider
from cutpoint.records.candidates import Candidates
from cutpoint.records.detections import Detections
from cutpoint.records.image import Geometry
from cutpoint.records.model import ModelSpec, read_spec


class MmdetPipeline(Pipeline):
    """``pytorch`` + ``e2e``: mmdet's test pipeline, forward and ``predict_by_feat``, called stage by stage.

    A test checks that it equals ``detector.test_step``.
    """

    cut = "e2e"

    def __init__(self, detector: Detector, pipeline: list[dict], spec: ModelSpec, device: str) -> None:
        self.spec = spec
        self.provider = device
        self._detector = detector
        self._halves = open_halves(detector, spec)
        steps = image_steps(copy.deepcopy(pipeline))
        self._load, self._transform = Compose(steps[:1]), Compose(steps[1:])

    def decode(self, path: str) -> dict[str, Any]:
        """Image file to mmdet's results dict with ``img``.

        Raises:
            UserError: the file is missing or is not an image.
        """
        try:
            image: dict[str, Any] | None = self._load({"img_path": path, "img_id": 0})
        except (OSError, AssertionError) as error:
            raise UserError(f"image {path}: mmdet cannot load it ({error})") from error
        except cv2.error as error:  # usually an image with more pixels than OpenCV takes
            raise UserError(f"image {path}: mmdet cannot load it ({error.err})") from error
        if image is None:  # with ignore_empty
            raise UserError(f"image {path}: mmdet cannot load it")
        return image

    def prepare(self, image: dict[str, Any]) -> tuple[list[dict[str, Any]], Geometry]:
        """The rest of the test pipeline. Normalising and padding belong to ``infer``, as in mmdet.

        Raises:
            UserError: the image is so thin that one side is 0 after the resize.
        """
        height, width = image["ori_shape"]
        _, gain = fit_size(height, width, self.spec.input)
        data = self._transform(image)
        meta = data["data_samples"].metainfo
        scale_x, scale_y = meta.get("scale_factor", (1.0, 1.0))  # CenterNet does not resize
        top, _, left, _ = (int(side) for side in meta.get("border", (0, 0, 0, 0)))
        divisor = self.spec.input.divisor
        padded = [-(-side // divisor) * divisor for side in data["inputs"].shape[1:]]
        geometry = Geometry(
            height=height,
            width=width,
            resized_height=round(height * scale_y),
            resized_width=round(width * scale_x),
            padded_height=padded[0],
            padded_width=padded[1],
            scale_x=scale_x,
            scale_y=scale_y,
            left=left,
            top=top,
            gain=gain,
        )
        return [data], geometry

    def batch(
        self, prepared: Sequence[tuple[list[dict[str, Any]], Geometry]]
    ) -> tuple[list[dict[str, Any]], list[Geometry]]:
        """The images' data in one list; the data preprocessor pads them in ``infer``."""
        geometries = padded_together([geometry for _, geometry in prepared])
        return [data for single, _ in prepared for data in single], geometries

    def upload(self, tensor: list[dict[str, Any]], *geometries: Geometry) -> dict[str, Any]:
        """The data preprocessor's copy to the device."""
        data: dict[str, Any] = self._detector.data_preprocessor.cast_data(pseudo_collate(tensor))
        _finish(self.provider)
        return data

    @torch.no_grad()
    def compute(self, uploaded: dict[str, Any]) -> tuple[Any, list[dict]]:
        """The rest of the data preprocessor, backbone, neck and head."""
        data = self._detector.data_preprocessor(uploaded, training=False)
        outputs = self._halves.first(data)
        _finish(self.provider)
        return outputs, [sample.metainfo for sample in data["data_samples"]]

    def download(self, computed: tuple[Any, list[dict]]) -> tuple[Any, list[dict]]:
        """mmdet post-processes on the device; ``read`` copies its detections."""
        return computed

    def tensors(self, outputs: tuple[Any, list[dict]], image: int) -> Iterable[tuple[str, torch.Tensor]]:
        """An image's head tensors, on the device."""
        return self._halves.tensors(outputs[0], image)

    @torch.no_grad()
    def read(self, outputs: tuple[Any, list[dict]], geometry: Geometry, image: int = 0) -> Detections:
        """mmdet's ``predict_by_feat`` of one image, boxes in original-image pixels."""
        found = self._halves.second(*outputs, image)
        return Detections(
            found.bboxes.cpu().numpy().reshape(-1, 4),
            found.scores.cpu().numpy(),
            found.labels.cpu().numpy().astype(np.int64),
        )


class HeadTensorPipeline(Pipeline):
    """``pytorch`` + ``raw``: our input recipe, the tensors of the cut ``raw``, our candidates."""

    cut = "raw"

    def __init__(
        self, detector: Detector, spec: ModelSpec, device: str, made_by: Definition = "mmdet"
    ) -> None:
        """``made_by``: the input recipe, see ``inputs.resolve_input``."""
        self.spec = spec
        self.provider = device
        self._cuts = open_cuts(detector, spec, "the cut raw of pytorch")
        self._input = resolve_input(made_by, spec.input, None)

    def decode(self, path: str) -> np.ndarray:
        """Image file to ``(H, W, 3)`` uint8 BGR."""
        return decode(path)

    def prepare(self, image: np.ndarray) -> tuple[np.ndarray, Geometry]:
        """Decoded image to ``(1, 3, H', W')`` float32 and geometry."""
        return prepare(image, self._input)

    def batch(self, prepared: Sequence[tuple[np.ndarray, Geometry]]) -> tuple[np.ndarray, list[Geometry]]:
        """``(B, 3, H', W')`` float32 and geometries; see ``pipeline.stack``."""
        return stack(prepared, self._input.pad_value)

    def upload(self, tensor: np.ndarray, *geometries: Geometry) -> list[torch.Tensor]:
        """The network's inputs on the device."""
        inputs = [tensor]
        if self.spec.head.takes_sizes:
            inputs.append(np.concatenate([image_sizes(g, self._input) for g in geometries]))
        uploaded = [torch.from_numpy(value).to(self.provider) for value in inputs]
        _finish(self.provider)
        return uploaded

    @torch.no_grad()
    def compute(self, uploaded: list[torch.Tensor]) -> list[torch.Tensor]:
        """The tensors on the device."""
        images, *sizes = uploaded
        tensors = self._cuts.raw(images, sizes[0] if sizes else None)
        _finish(self.provider)
        return tensors

    def download(self, computed: list[torch.Tensor]) -> dict[str, np.ndarray]:
        """The tensors by the names of the ``raw`` cut, on the host."""
        values = (value.cpu().numpy() for value in computed)
        return dict(zip(self.spec.head.raw_names, values, strict=True))

    def tensors(self, outputs: dict[str, np.ndarray], image: int) -> Iterable[tuple[str, np.ndarray]]:
        """An image's tensors."""
        return ((name, values[image]) for name, values in outputs.items())

    def read(self, outputs: dict[str, np.ndarray], geometry: Geometry, image: int = 0) -> Candidates:
        """An image's tensors to candidates."""
        return from_raw(outputs, self.spec.head, image, clip_size(geometry, self._input))


def _finish(device: str) -> None:
    """Wait for the device, so that the time of a stage belongs to this stage."""
    torch.get_device_module(device).synchronize()


def open_pytorch(
    config: str,
    checkpoint: str | None,
    spec: ModelSpec,
    cut: str,
    provider: str,
    threads: int | None,
    made_by: Definition = "mmdet",
    tf32: bool = False,
) -> MmdetPipeline | HeadTensorPipeline:
    """Open the PyTorch side of a model.

    Args:
        config: mmdet config.
        checkpoint: weights.
        spec: the model specification.
        cut: ``e2e`` or ``raw``.
        provider: name of a provider; the model runs on PyTorch's device for it.
        threads: threads of one operator; null leaves torch's default.
        made_by: the input recipe, see ``inputs.resolve_input``; ``e2e`` has only ``mmdet``.
        tf32: let CUDA round the factors of fp32 products to 10 bits; torch's own default does so in
            convolutions.

    Raises:
        UserError: the device is asked for but missing, or ``e2e`` has another input recipe.
    """
    if cut == "e2e" and made_by != "mmdet":
        raise UserError(f"input {made_by!r}: pytorch with cut e2e is mmdet's own pipeline; use cut raw")
    device = get_provider(provider).device.pytorch
    if not torch.get_device_module(device).is_available():
        raise UserError(
            f"device {device}: torch finds none here; set `device: cpu`, or install a torch built for it"
        )
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    if threads:
        torch.set_num_threads(threads)
    warnings.filterwarnings("ignore", message=".*indexing.*", category=UserWarning)
    mmdet_config = load_config(config)
    detector = build_detector(mmdet_config, checkpoint).to(device)
    if cut == "raw":
        return HeadTensorPipeline(detector, spec, device, made_by)
    return MmdetPipeline(detector, find_test_pipeline(mmdet_config), spec, device)


def predict_pytorch(
    *,
    config: str,
    checkpoint: str | None,
    spec: str,
    cut: str,
    manifest: str,
    provider: str,
    threads: int,
    shard: int,
    shards: int,
    input: Definition = "mmdet",
    batch: int = 1,
    tf32: bool = False,
    out: str,
    out_images: str,
) -> None:
    """Run the PyTorch model over one shard of a data set; arguments as ``shard.predict_onnx``.

    The network runs once at a time, because some of mmdet's layers change themselves in ``forward``.
    ``threads`` is the number of torch's threads; as many images are decoded at the same time.
    """
    model_spec = read_spec(spec)
    pipeline = open_pytorch(config, checkpoint, model_spec, cut, provider, threads, input, tf32)
    write_predictions(
        pipeline,
        manifest=manifest,
        shard=shard,
        shards=shards,
        input=input,
        batch=batch,
        workers=threads,
        out=out,
        out_images=out_images,
    )
