import pytest

from cutpoint.latency.placement import count_nodes

GPU, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


def node(number, operator, provider, time_us, at):
    arguments = {"provider": provider, "op_name": operator, "node_index": str(number)}
    return {"cat": "Node", "name": f"{operator}_{number}", "args": arguments, "dur": time_us, "ts": at}


def test_nodes_parts_copies_and_shares_by_hand():
    events = [
        {"cat": "Session", "name": "session_initialization", "args": {}, "dur": 99, "ts": 0},
        {"cat": "Node", "name": "fence", "args": {"op_name": "Conv"}, "dur": 5, "ts": 1},
        # a first run, which does not count
        node(0, "Conv", GPU, 9000, 2),
        node(0, "Conv", GPU, 600, 12),
        node(1, "MemcpyToHost", GPU, 100, 13),
        node(2, "NonMaxSuppression", CPU, 250, 14),
        node(3, "MemcpyFromHost", GPU, 50, 15),
    ]
    found = count_nodes(events)
    assert found.nodes == {GPU: 3, CPU: 1}
    assert (found.parts, found.copies) == (3, 2)
    assert found.share == {GPU: 0.75, CPU: 0.25}
    assert next(iter(found.slowest.items())) == ("Conv", 0.6)
    assert sum(found.slowest.values()) == pytest.approx(1)
