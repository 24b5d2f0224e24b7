"""What it costs to begin: a program that imports a client, and perhaps makes one request.

    python -m bench.start '{"client": ..., "kind": "import" or "first", ...}'

Each is a process of its own, and one that does nothing, measured beside it, is taken off. Started
by ``macro.py``; prints one line of JSON.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version

IMPORTS = {
    # ``import hyper`` alone loads next to nothing; what it is for is loaded with the first use.
    "hyper": "from hyper import HTTPConnection",
    "http.client": "import http.client, ssl",
    "pycurl": "import pycurl",
    "httpx": "import httpx",
}

#: Programs as one would write them, but for the authority to trust; sys.argv has port, path, CA.
FIRST = {
    "hyper": """
import sys
import hyper, hyper.tls
context = hyper.tls.init_context(sys.argv[3])
with hyper.HTTP20Connection("localhost", int(sys.argv[1]), ssl_context=context) as connection:
    connection.request("GET", sys.argv[2])
    response = connection.get_response()
    assert response.status == 200
    print(len(response.read()))
""",
    "pycurl": """
import sys
import pycurl
chunks = []
easy = pycurl.Curl()
easy.setopt(pycurl.URL, "https://localhost:" + sys.argv[1] + sys.argv[2])
easy.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2TLS)
easy.setopt(pycurl.CAINFO, sys.argv[3])
easy.setopt(pycurl.WRITEFUNCTION, chunks.append)
easy.perform()
assert easy.getinfo(pycurl.RESPONSE_CODE) == 200
print(len(b"".join(chunks)))
""",
    "httpx": """
import ssl, sys
import httpx
context = ssl.create_default_context(cafile=sys.argv[3])
with httpx.Client(http2=True, verify=context) as client:
    response = client.get("https://localhost:" + sys.argv[1] + sys.argv[2])
    assert response.status_code == 200 and response.http_version == "HTTP/2"
    print(len(response.content))
""",
}


def main() -> None:
    task = json.loads(sys.argv[1])
    if task["cpus"]:
        os.sched_setaffinity(0, task["cpus"])
    programs = {"import": IMPORTS, "first": FIRST}[task["kind"]]
    arguments = [str(task["port"]), task["path"], task["authority"]]
    # Written bytecode, and what the system keeps of files, are there from the second time on.
    told = run(programs[task["client"]], arguments)[2]
    if task["kind"] == "first":
        assert told.strip() == "12", told
    cpu = wall = 0.0
    for _ in range(task["units"]):
        own, lasted, _ = run(programs[task["client"]], arguments)
        nothing, its, _ = run("pass", arguments)
        cpu += own - nothing
        wall += lasted - its
    units = task["units"]
    result = {"units": units, "cpu": cpu / units, "wall": wall / units, "peak_memory": 0}
    print(json.dumps({"version": named(task["client"]), **result}))


def run(program: str, arguments: list[str]) -> tuple[float, float, str]:
    """Processor time and time that passed, in seconds, and what it printed."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        timeout=30,
        check=True,
    )
    lasted, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, lasted, done.stdout


def named(client: str) -> str:
    if client == "http.client":
        return f"http.client of Python {sys.version.split()[0]}"
    try:
        return f"{client} {version(client)}"
    except PackageNotFoundError:
        import hyper

        return f"hyper {hyper.__version__}"


if __name__ == "__main__":
    main()
