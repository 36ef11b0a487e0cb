"""Check whether a file is an ONNX file, and find the files next to it that hold its tensors.

This is fast and imports ONNX only if it is needed, because every plan does it.
"""

import mmap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from cutpoint.errors import UserError
from cutpoint.files import START_BYTES, is_text, name_substitute

if TYPE_CHECKING:
    import onnx

# the key under which a tensor names the file that holds it
LOCATION = b"location"


def check_onnx_file(path: str | Path) -> None:
    """Check a file as far as possible without reading its graph.

    Raises:
        UserError: it is not an ONNX file, or a file that holds its tensors is missing.
    """
    found = _name_other_kind(path)
    if found:
        raise UserError(f"{path}: not an ONNX file that can be read: {found}")
    for file in external_data_files(path):
        if not Path(file).is_file():
            raise UserError(
                f"{path}: not an ONNX file that can be read: its tensors lie in {file}, which does not "
                "exist; the exporter wrote both, put it there"
            )


def _name_other_kind(path: str | Path) -> str | None:
    try:
        with open(path, "rb") as file:
            start = file.read(START_BYTES)
    except OSError as error:
        return error.strerror
    substitute = name_substitute(start)
    if substitute:
        return substitute
    if start.startswith(b"PK\x03\x04"):
        return "it is a zip archive, as PyTorch's checkpoints are; export the model to ONNX"
    return "it is text" if is_text(start) else None


def external_data_files(path: str | Path) -> list[str]:
    """The paths of the files that hold tensors of an ONNX file, each once. They need not exist.

    Tensors are not loaded, and ONNX is imported only for a file that names another one. For a file that is
    not ONNX the list is empty.
    """
    with open(path, "rb") as file:
        try:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                if content.find(LOCATION) < 0:
                    return []
        except ValueError:  # an empty file cannot be mapped
            return []
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(path, load_external_data=False)
    except DecodeError:
        return []
    found = (
        entry.value
        for tensor in _tensors(model)
        if tensor.data_location == onnx.TensorProto.EXTERNAL
        for entry in tensor.external_data
        if entry.key == "location"
    )
    return [str(Path(path).parent / location) for location in dict.fromkeys(found)]


def _tensors(model: "onnx.ModelProto") -> Iterator["onnx.TensorProto"]:
    yield from _of_graph(model.graph)
    for function in model.functions:
        yield from _of_nodes(function.node)


def _of_graph(graph: "onnx.GraphProto") -> Iterator["onnx.TensorProto"]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _of_nodes(graph.node)


def _of_nodes(nodes: "Iterable[onnx.NodeProto]") -> Iterator["onnx.TensorProto"]:
    for attribute in (attribute for node in nodes for attribute in node.attribute):
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
        for graph in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
            yield from _of_graph(graph)
