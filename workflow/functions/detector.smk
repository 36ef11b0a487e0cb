from cutpoint.plan.inspections import mmdet_settings
from cutpoint.plan.variants import shape_value

# an export's tensors are compared with PyTorch's on so many images
VERIFIED_IMAGES = 3


def list_model_files(wildcards):
    """The local files of an mmdet model: its config with all that it reaches, checkpoint, imported modules."""
    model = PLAN.model(wildcards.model)
    return (
        [] if model.is_external else [*CONFIGS[model.name], model.checkpoint, *MODULES]
    )


def get_model_files(wildcards):
    return [as_source(path) for path in list_model_files(wildcards)]


def get_model_digests(wildcards):
    return get_digests(list_model_files(wildcards))


def get_model_inspection(wildcards):
    return place(mmdet_settings(PLAN.model(wildcards.model)))


def get_imports(wildcards):
    return CONFIG["imports"]


def get_model_settings(wildcards):
    model = PLAN.model(wildcards.model)
    return {"config": model.config, "checkpoint": model.checkpoint}


def get_description_settings(wildcards):
    model = PLAN.model(wildcards.model)
    return {
        **get_model_settings(wildcards),
        "candidate_floor": model.candidate_floor,
        "class_names": model.class_names,
    }


def get_trace_settings(wildcards):
    trace = PLAN.trace(wildcards.model, wildcards.trace)
    return {
        **get_model_settings(wildcards),
        "shape": shape_value(trace.shape),
        "opset": trace.opset,
        "exporter": trace.exporter,
    }


def get_verify_settings(wildcards):
    return {**get_model_settings(wildcards), "images": VERIFIED_IMAGES}


def get_pytorch_threads(wildcards):
    """One on the CPU, because PyTorch's results depend on the number of threads there."""
    return get_predict_threads(wildcards) if get_gpu_count(wildcards) else 1


def get_pytorch_settings(wildcards):
    return {
        **get_model_settings(wildcards),
        **get_run_settings(wildcards),
        "cut": get_run(wildcards).cut,
    }
