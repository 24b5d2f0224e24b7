"""A small http2bin of our own, so that every documented command runs offline.

``python -m hyper.demo`` shows hyper at work against it; ``python -m hyper.demo --serve 8080``
keeps it running for other clients.
"""

# Loaded when somebody asks for them, as in the package above, and for the same reasons.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .endpoints import seeded_chunks
    from .server import DemoServer

__all__ = ["DemoServer", "seeded_chunks"]


def __getattr__(name: str) -> "Any":
    if name == "DemoServer":
        from .server import DemoServer

        return DemoServer
    if name == "seeded_chunks":
        from .endpoints import seeded_chunks

        return seeded_chunks
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
