"""A process that only calls ``session.run`` on prepared tensors; answers as ``latency.worker`` does."""

import json
import sys
import time

import onnxruntime

from cutpoint.latency.pace import SPIN_S
from cutpoint.predict.pipeline import OnnxPipeline
from cutpoint.predict.runtime import Session, session_options
from cutpoint.providers import PROVIDERS


def main() -> None:
    """Answer ``{"ask": "time", "images": [...]}`` with the milliseconds of a run of each image."""
    job = json.loads(sys.argv[1])
    pipeline = OnnxPipeline(Session(job["model"], job["provider"], 1))
    options = session_options(job["threads"], spin_s=SPIN_S)
    session = onnxruntime.InferenceSession(job["model"], options, [PROVIDERS[job["provider"]].runtime_name])
    prepared = {}
    print(json.dumps({}), flush=True)
    for line in sys.stdin:
        images = json.loads(line)["images"]
        for image in images:
            if image["id"] not in prepared:
                tensor, sizes = pipeline.prepare(pipeline.decode(image["path"]))
                prepared[image["id"]] = pipeline.feeds(tensor, sizes)
        session.run(None, prepared[images[0]["id"]])
        times = []
        for image in images:
            # just written, as a tensor that was prepared a moment ago: else it would come from memory
            feeds = {name: array.copy() for name, array in prepared[image["id"]].items()}
            start = time.perf_counter()
            session.run(None, feeds)
            times.append((time.perf_counter() - start) * 1000)
        print(json.dumps({"times": times}), flush=True)


if __name__ == "__main__":
    main()
