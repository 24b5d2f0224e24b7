"""What a connection says, for people, for programs and for tests.

``Watch`` tells a function, event by event, what happens on a connection: frames and fields, windows
and the life of streams, dialling, TLS and the end. ``FrameTrace`` makes lines of it.
``RecordTrace`` keeps the octets themselves in a file, which ``read_recording`` reads, and which
``python -m hyper.trace FILE`` turns into the same lines later. Each is to be given to a connection
as ``trace=``; with none, nothing of this is loaded. A ``Timeline`` keeps what its own ``Watch``
tells, and makes pictures and files of it.

A program need not be changed for it: ``HYPER_TRACE=-`` prints the lines on stderr,
``HYPER_TRACE=FILE`` records into a file, and where the logger ``hyper`` is enabled for DEBUG the
lines go to ``hyper.frames``. Lines and events hide what is secret; a recording is everything that
was said, **secrets included**.
"""

from __future__ import annotations

from .lines import FrameTrace, trace_for_connection
from .recording import Record, RecordTrace, read_recording
from .timeline import Timeline
from .watch import Watch

__all__ = [
    "FrameTrace",
    "Record",
    "RecordTrace",
    "Timeline",
    "Watch",
    "read_recording",
    "trace_for_connection",
]
