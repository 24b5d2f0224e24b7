"""Every number that protects us from a hostile or broken peer, with its reason.

Sizes are octets. ``Limits`` has those that a program may want otherwise, for one connection or,
by ``choose``, for all; the tests go to each limit and one beyond.
"""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["Limits", "choose", "chosen"]

#: The peer may have this much of one response's body on the way or unread, to begin with. Below
#: 1 MiB a download costs more CPU and stalls on distant links.
STREAM_WINDOW: Final = 1 << 20

#: The same for the whole connection. It is given back on arrival, so an unread response never
#: starves the others; 16 streams can be read at full speed.
CONNECTION_WINDOW: Final = 16 << 20

#: How many times as large a window that is used may become, doubling, and where that ends. A
#: stream's reaches 16 MiB, which bounds what can lie unread of one response that was read fast
#: before; the connection's 64 MiB, which is given back on arrival and so holds no memory. 1 Gbit/s
#: over 100 ms of round trip needs 12.5 MB on the way.
WINDOW_GROWTH: Final = 16
LARGEST_GROWN_WINDOW: Final = 64 << 20

#: The most either window may ever be (RFC 9113 §6.9.1).
MAX_WINDOW: Final = 2**31 - 1

#: The most any setting can say: 32 bits (RFC 9113 §6.5.1).
LARGEST_SETTING: Final = 2**32 - 1

#: Where both windows start before anything is said (RFC 9113 §6.9.2).
DEFAULT_WINDOW: Final = 65_535

#: The largest payload we accept; the protocol's own minimum, which is also its default
#: (RFC 9113 §4.2). Larger frames were measured to gain 3 % at most.
MAX_FRAME_SIZE: Final = 16_384

#: The largest payload anyone may ask for (RFC 9113 §6.5.2).
LARGEST_MAX_FRAME_SIZE: Final = 2**24 - 1

#: A decoded field section: names, values and 32 octets for each field (RFC 9113 §6.5.2).
#: Announced in SETTINGS. Real servers send under 16 KiB.
MAX_HEADER_LIST_SIZE: Final = 65_536

#: Fields in one section; many tiny fields cost more memory than their octets tell.
MAX_HEADER_FIELDS: Final = 1000

#: Memory of the peer's compressor that we keep (RFC 7541 §4.2).
HEADER_TABLE_SIZE: Final = 4096

#: CONTINUATION frames for one field block, empty ones included: without a limit one block can
#: go on for ever (CVE-2024-27316 and its siblings).
MAX_CONTINUATIONS: Final = 64

#: Interim responses to one request; together they must also fit MAX_HEADER_LIST_SIZE.
MAX_INFORMATIONAL: Final = 100

#: SETTINGS entries in one frame (CVE-2020-11080); there are under ten kinds.
MAX_SETTINGS_ENTRIES: Final = 100

#: Acknowledgements of PING and SETTINGS that wait to be written. A peer that asks and never
#: reads would otherwise fill our memory (CVE-2019-9512, CVE-2019-9515).
MAX_QUEUED_ACKS: Final = 1000

#: PINGs of ours that the peer has left unanswered, each some 900 octets of memory. Whoever asks on
#: and on, with a timeout, would otherwise fill it; and peers count them as well.
MAX_UNANSWERED_PINGS: Final = 1000

#: Frames that are legal and useless (PRIORITY, unknown types, WINDOW_UPDATE for a closed stream,
#: ...): so many at once, so many a second after that, and so many more for every request.
GLITCH_BURST: Final = 10_000
GLITCHES_PER_SECOND: Final = 330
GLITCHES_PER_STREAM: Final = 8

#: RST_STREAM from the peer, and errors of its that we answer by one: so many at once, and so many a
#: second (CVE-2023-44487, CVE-2025-8671).
RESET_BURST: Final = 1000
RESETS_PER_SECOND: Final = 33

#: Requests that we cancel ourselves, at once and a second, before the next ones go to another
#: connection. To a server it looks like CVE-2023-44487, and those built on nghttp2 end the
#: connection after 1000 and 33 a second; at half of that nothing that is open then is lost.
CANCEL_BURST: Final = 500
CANCELS_PER_SECOND: Final = 16

#: DATA frames in a row that carry nothing and end nothing (CVE-2019-9518).
MAX_EMPTY_DATA: Final = 1000

#: Unread pieces of one response that are kept apart. Further small ones are joined, since a
#: piece costs some fifty octets of memory however little it holds.
MAX_SMALL_CHUNKS: Final = 1024
SMALL_CHUNK: Final = 256
JOINED_CHUNK: Final = 4096

#: Responses pushed at a time, reserved ones included; each may fill a stream's window.
MAX_PUSHES: Final = 100

#: Debug data of a GOAWAY that we keep and show.
MAX_DEBUG_DATA: Final = 1024

#: Requests that may be open before the peer's first SETTINGS has said how many it takes. One, as
#: no peer takes fewer; more would be fatal to a burst where it does (docs/decisions/0010).
INITIAL_MAX_STREAMS: Final = 1

#: The last stream id a client can use (RFC 9113 §5.1.1).
LAST_STREAM_ID: Final = 2**31 - 1

#: What one call of ``send_body`` takes: worth one join, one encryption and one write. 16 KiB
#: batches cost 1.6 times as much, a MiB gains nothing more.
WRITE_BATCH: Final = 262_144


class Limits(NamedTuple):
    """What one HTTP/2 connection puts up with. Each is by default the constant of its name.

    Octets of a window are at most 2**31-1, and octets and numbers at least 1, per second at least
    0; ``checked`` says so.
    """

    stream_window: int = STREAM_WINDOW
    connection_window: int = CONNECTION_WINDOW
    max_header_list_size: int = MAX_HEADER_LIST_SIZE
    max_header_fields: int = MAX_HEADER_FIELDS
    max_continuations: int = MAX_CONTINUATIONS
    max_informational: int = MAX_INFORMATIONAL
    max_settings_entries: int = MAX_SETTINGS_ENTRIES
    max_queued_acks: int = MAX_QUEUED_ACKS
    glitch_burst: int = GLITCH_BURST
    glitches_per_second: float = GLITCHES_PER_SECOND
    reset_burst: int = RESET_BURST
    resets_per_second: float = RESETS_PER_SECOND
    cancel_burst: int = CANCEL_BURST
    cancels_per_second: float = CANCELS_PER_SECOND
    max_empty_data: int = MAX_EMPTY_DATA
    max_pushes: int = MAX_PUSHES
    max_debug_data: int = MAX_DEBUG_DATA

    def checked(self) -> Limits:
        """These very limits. Raises ValueError for one that cannot be meant."""
        for name, value in self._asdict().items():
            most = MAX_WINDOW if name.endswith("window") else LARGEST_SETTING
            least = 0 if name.endswith("per_second") else 1
            if not least <= value <= most:
                raise ValueError(f"{name} is {value!r}; it must be {least} to {most}")
        return self


#: What ``choose`` has said for the whole process.
_chosen = Limits()


def choose(limits: Limits | None) -> None:
    """Say what connections put up with from now on, in the whole process; None is our defaults.

    For programs whose connections are made by others, as by urllib3. A connection that is given
    limits of its own keeps to those. Raises ValueError as ``Limits.checked`` does; then nothing
    changes.
    """
    global _chosen
    _chosen = (limits or Limits()).checked()


def chosen() -> Limits:
    """What connections put up with that are not told."""
    return _chosen
