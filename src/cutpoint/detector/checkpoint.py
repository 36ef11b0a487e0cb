"""Load checkpoints into a detector."""

import re

import torch
from torch import Tensor, nn

from cutpoint.detector.checkpoint_file import read_checkpoint
from cutpoint.errors import UserError

# Prefixes of keys that model wrappers add: nn.parallel and torch.compile.
WRAPPERS = re.compile(r"^(module\.|_orig_mod\.)+")
RUNNING = ("running_mean", "running_var")


def load_weights(model: nn.Module, checkpoint: str) -> None:
    """Load a checkpoint strictly; extra keys that only training needs (EMA copies, counters) are allowed.

    Prefixes of wrappers are removed: ``module.`` as in ``Runner.load_checkpoint`` (mmengine 0.10.7). Weights
    that are not finite are loaded with a message. Their outputs are refused image by image, so that other
    models and the page are finished.

    Raises:
        UserError: the weights do not fit the model.
    """
    state = read_checkpoint(checkpoint)["state_dict"]
    state = {WRAPPERS.sub("", key): value for key, value in state.items()}
    mend = "check that config and checkpoint belong together"
    try:
        result = model.load_state_dict(state, strict=False)
    except RuntimeError as error:  # tensors of another size
        raise UserError(
            f"checkpoint {checkpoint}: its weights do not fit the config: {_first_mismatch(error)}; {mend}"
        ) from error
    missing = [key for key in result.missing_keys if not key.endswith("num_batches_tracked")]
    unexpected = [key for key in result.unexpected_keys if not key.startswith("ema_")]
    if missing or unexpected:
        what = [
            f"{len(keys)} {word} (first: {keys[0]})"
            for keys, word in ((missing, "missing"), (unexpected, "unexpected"))
            if keys
        ]
        prefixes = _prefixes(missing, unexpected)
        if prefixes:
            mend = f"they are there below {prefixes}: save those of one of these without it"
        raise UserError(
            f"checkpoint {checkpoint}: its weights do not fit the config: {', '.join(what)}; {mend}"
        )
    _say_infinite(model, checkpoint)


def _first_mismatch(error: RuntimeError) -> str:
    first = str(error).splitlines()[1].strip()
    sizes = re.fullmatch(r"size mismatch for (\S+): .*?Size\((.*?)\) .*Size\((.*?)\)\.", first)
    return (
        f"{sizes[1]} has the shape {sizes[2]}, and the config's is {sizes[3]}" if sizes else first.rstrip(".")
    )


def _prefixes(missing: list[str], unexpected: list[str]) -> str:
    if not missing:
        return ""
    end = f".{missing[0]}"
    return ", ".join(repr(key.removesuffix(missing[0])) for key in unexpected if key.endswith(end))


def _say_infinite(model: nn.Module, checkpoint: str) -> None:
    tensors: dict[str, Tensor] = dict(model.named_parameters())
    tensors |= {name: value for name, value in model.named_buffers() if name.endswith(RUNNING)}
    counts = {name: int((~torch.isfinite(value)).sum()) for name, value in tensors.items()}
    bad = [name for name, count in counts.items() if count]
    if bad:
        print(
            f"checkpoint {checkpoint}: {sum(counts.values())} weights in {len(bad)} tensors are NaN or "
            f"infinite (first: {bad[0]}, {counts[bad[0]]} of {tensors[bad[0]].numel()}); its training "
            "diverged or the file is damaged, so take an earlier checkpoint"
        )
