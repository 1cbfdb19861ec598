"""One server of many adapters beside one process for each model: requests a second, p95, memory.

python benchmarks/serve.py sw=runs/a yo=runs/b --audio FOLDER [--requests 1000] [--clients 32]

Every fifth request is bad on purpose. An answer is wrong where it is not what the same server said
of the same recording when nobody else asked.
"""

import argparse
import json
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import psutil

from mothertongue.system.environment import environment
from mothertongue.system.json_files import to_json

Json = dict[str, Any]


@contextmanager
def serving(specs: Sequence[str], precision: str) -> Iterator[tuple[str, psutil.Process]]:
    """A server of these models: where it listens, and its process."""
    command = [sys.executable, "-P", "-m", "mothertongue", "serve", *specs, "--port", "0"]
    command += ["--precision", precision]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    found = next(filter(None, (re.search(r"listening on (\S+)", x) for x in process.stderr)))
    try:
        yield found.group(1), psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()
        process.stderr.close()


def memory_bytes(process: psutil.Process) -> int:
    """What it holds that no other process shares, its decoders included."""
    everyone = [process, *process.children(recursive=True)]
    return sum(each.memory_full_info().uss for each in everyone)


def ask(client: httpx2.Client, url: str, model: str, data: bytes) -> tuple[int, str]:
    """The status and the text."""
    form, files = {"model": model, "response_format": "text"}, {"file": data}
    while True:
        answer = client.post(f"{url}/v1/audio/transcriptions", data=form, files=files)
        if answer.status_code not in (429, 503):
            return answer.status_code, answer.text
        time.sleep(float(answer.headers["Retry-After"]))


def measure(urls: dict[str, str], clips: Sequence[bytes], requests: int, clients: int) -> Json:
    """All requests, spread over models and recordings, by so many clients at once."""
    names = list(urls)
    # Clients wait in a queue of their own, so each has one connection.
    with httpx2.Client(timeout=600, limits=httpx2.Limits(max_connections=clients)) as client:
        truth = {
            (n, i): ask(client, urls[n], n, clip)[1] for n in names for i, clip in enumerate(clips)
        }

        def one(number: int) -> tuple[float, str]:
            name, i = names[number % len(names)], number // len(names) % len(clips)
            is_bad = number % 5 == 4
            began = time.monotonic()
            status, text = ask(client, urls[name], name, b"no audio" if is_bad else clips[i])
            right = status == 400 if is_bad else (status, text) == (200, truth[name, i])
            kind = "refused" if is_bad else "right"
            return time.monotonic() - began, kind if right else f"wrong {status}"

        began = time.monotonic()
        with ThreadPoolExecutor(clients) as pool:
            done = list(pool.map(one, range(requests)))
        wall_s = time.monotonic() - began
    good_s = [seconds for seconds, kind in done if kind == "right"]
    return {
        "requests_per_s": requests / wall_s,
        "p50_s": float(np.quantile(good_s, 0.5)),
        "p95_s": float(np.quantile(good_s, 0.95)),
        "answers": dict(Counter(kind for _, kind in done)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", help="NAME=MODEL")
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--clients", type=int, default=32)
    # In bfloat16 a product may round otherwise when the batch is another: nothing could be "right".
    parser.add_argument("--precision", default="fp32")
    asked = parser.parse_args()
    paths = sorted(path for path in asked.audio.rglob("*") if path.is_file())[: asked.clips]
    clips = [path.read_bytes() for path in paths]
    names = [spec.partition("=")[0] for spec in asked.models]
    result: Json = {"environment": to_json(environment()), "clips": len(clips)}
    with serving(asked.models, asked.precision) as (url, process):
        urls = dict.fromkeys(names, url)
        result["one server"] = measure(urls, clips, asked.requests, asked.clients)
        result["one server"]["memory_bytes"] = memory_bytes(process)
    with ExitStack() as stack:
        each = [stack.enter_context(serving([spec], asked.precision)) for spec in asked.models]
        urls = dict(zip(names, (url for url, _ in each), strict=True))
        apart = measure(urls, clips, asked.requests, asked.clients)
        apart["memory_bytes"] = sum(memory_bytes(process) for _, process in each)
        result["a process for each"] = apart
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
