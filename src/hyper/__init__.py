"""HTTP/2 for every Python program."""

import os

# Without `typing`, which is most of what a small program would wait for; checkers know the name.
# And nothing else of any size: until the command's `main` runs, Ctrl-C is a traceback.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from . import hpack
    from .sync.connection import HTTP11Connection, HTTP20Connection, HTTPConnection
    from .sync.pushes import HTTP20Push
    from .sync.response import HTTP11Response, HTTP20Response

__all__ = [
    "HTTP11Connection",
    "HTTP11Response",
    "HTTP20Connection",
    "HTTP20Push",
    "HTTP20Response",
    "HTTPConnection",
    "__version__",
]

__version__ = "1.0.0.dev0"

if "HYPER_HPACK" in os.environ:
    # Here, since the room itself does not know the world. A bad name is an error where it is used.
    from . import hpack

    hpack.chosen = os.environ["HYPER_HPACK"] or None

# Loaded when somebody asks for them: `hyper --version`, and a program that wants one of the
# rooms only, need not wait for sockets and TLS.
_HOMES = {
    "HTTP11Connection": ".sync.connection",
    "HTTP20Connection": ".sync.connection",
    "HTTPConnection": ".sync.connection",
    "HTTP20Push": ".sync.pushes",
    "HTTP11Response": ".sync.response",
    "HTTP20Response": ".sync.response",
}
# What `import hyper` has always made reachable by a dot.
_ROOMS = frozenset(("common", "hpack", "http11", "http20", "sync", "tls"))


def __getattr__(name: str) -> "Any":
    from importlib import import_module

    if name == "hpack":
        return import_module(".hpack", __name__)
    if name in _ROOMS:
        # With all that a program may go on to say: hyper.http20.exceptions.ProtocolError.
        import_module(".sync.connection", __name__)
        return import_module(f".{name}", __name__)
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_HOMES[name], __name__), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_ROOMS})
