"""Octets into lines, and into a file and back: whatever the octets are."""

from __future__ import annotations

import io
import itertools
import logging
import os
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import hpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyper.trace import (
    FrameTrace,
    RecordTrace,
    connection,
    http20,
    read_recording,
    recording,
    trace_for_connection,
)
from hyper.trace.__main__ import main
from hyper.trace.http20 import FrameReader

from ..peer import ACK, END_HEADERS, END_STREAM, PADDED, PREFACE, PRIORITY, frame, padded

SETTINGS = frame("SETTINGS")


class Lines:
    """What a trace says, without times; after a preface and empty SETTINGS both ways."""

    def __init__(self, greet: bool = True) -> None:
        self.said: list[str] = []
        self.trace = FrameTrace(self.said.append, clock=lambda: 5.0)
        self.encoder = hpack.Encoder()
        if greet:
            self.trace(">", PREFACE + SETTINGS)
            self.trace("<", SETTINGS)

    def of(self, octets: bytes, direction: str = "<") -> list[str]:
        """The new lines that some octets make, columns apart by one blank."""
        known = len(self.said)
        self.trace(direction, octets)
        return [" ".join(line.split()[1:]) for line in self.said[known:]]

    def one(self, octets: bytes, direction: str = "<") -> str:
        [line] = self.of(octets, direction)
        return line


@pytest.fixture
def lines() -> Lines:
    return Lines()


def reader(lines: Lines, direction: str = "<") -> FrameReader:
    """What reads one direction, to see that it keeps no more than it should."""
    assert lines.trace._only is not None
    return lines.trace._only._frames[direction]


def test_more_streams_than_can_be_followed_are_forgotten(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "MAX_STREAMS", 3)
    monkeypatch.setattr(http20, "MAX_STREAMS", 3)
    asked = lines.encoder.encode([(":method", "GET"), (":path", "/")])
    promised = hpack.Encoder()
    for stream_id in range(1, 20, 2):
        lines.of(frame("HEADERS", END_HEADERS, stream_id, asked), ">")
        lines.of(frame("DATA", 0, stream_id, b"x"), ">")
        block = promised.encode([(":method", "GET"), (":path", "/")])
        promise = struct.pack(">L", stream_id + 1) + block
        lines.of(frame("PUSH_PROMISE", END_HEADERS, stream_id, promise))

    assert lines.trace._only is not None
    assert list(lines.trace._only._lives) == [18, 19, 20]
    assert list(reader(lines, ">")._windows) == [15, 17, 19]


def test_a_line_has_time_direction_stream_frame_size_flags_and_content() -> None:
    said: list[str] = []
    times = iter((100.0, 100.0125, 111.5))
    frames = FrameTrace(said.append, clock=lambda: next(times))
    frames(">", PREFACE)
    frames(">", frame("SETTINGS", payload=struct.pack(">HL", 4, 65_535)))
    frames("<", SETTINGS + frame("DATA", END_STREAM, 12345, b"12345"))

    assert said == [
        "  0.0000 > preface",
        "  0.0125 >   0 SETTINGS          6  INITIAL_WINDOW_SIZE=65535",
        " 11.5000 <   0 SETTINGS          0",
        " 11.5000 < 12345 DATA              5  END_STREAM  "
        "[window: stream 65530, connection 65530]",
    ]


@pytest.mark.parametrize(
    ("octets", "line"),
    [
        (frame("SETTINGS", ACK), "0 SETTINGS 0 ACK"),
        (
            frame("SETTINGS", payload=struct.pack(">HLHL", 1, 0, 0xABCD, 7)),
            "0 SETTINGS 12 HEADER_TABLE_SIZE=0 0xabcd=7",
        ),
        (
            frame("WINDOW_UPDATE", 0, 3, b"\x80\0\1\0"),
            "3 WINDOW_UPDATE 4 +256 [window: stream 65791, connection 65535]",
        ),
        (frame("RST_STREAM", 0, 5, b"\0\0\0\x08"), "5 RST_STREAM 4 CANCEL"),
        (frame("RST_STREAM", 0, 5, b"\0\0\0\xff"), "5 RST_STREAM 4 unknown error code 0xff"),
        (frame("GOAWAY", payload=bytes(7) + b"\x0b"), "0 GOAWAY 8 last=0 ENHANCE_YOUR_CALM"),
        (
            frame("GOAWAY", payload=b"\0\0\0\7" + bytes(4) + b'a "b"\n\xff'),
            '0 GOAWAY 15 last=7 NO_ERROR "a \\"b\\"\\n\\xff"',
        ),
        (frame("PING", ACK, payload=b"\0\1\2\3\4\5\6\7"), "0 PING 8 ACK 0001020304050607"),
        (frame("PRIORITY", 0, 9, bytes(5)), "9 PRIORITY 5 0000000000"),
        (
            frame("DATA", PADDED, 1, padded(b"xy", 10)),
            "1 DATA 13 PADDED padding=10 [window: stream 65522, connection 65522]",
        ),
        (frame("DATA", PADDED, 1), "1 DATA 0 PADDED [window: stream 65535, connection 65535]"),
        (
            frame("DATA", 0x71, 1, b"x"),
            "1 DATA 1 END_STREAM|0x70 [window: stream 65534, connection 65534]",
        ),
        (frame(0xEE, 0x03, 0, bytes(20)), f"0 unknown(0xee) 20 0x03 {'00' * 16}..."),
    ],
)
def test_frames_in_words(lines: Lines, octets: bytes, line: str) -> None:
    assert lines.one(octets) == f"< {line}"


@pytest.mark.parametrize(
    "octets",
    [
        frame("SETTINGS", payload=b"12345"),
        frame("WINDOW_UPDATE", 0, 1, b"123"),
        frame("RST_STREAM", 0, 1, b"12345"),
        frame("GOAWAY", payload=b"1234567"),
        frame("HEADERS", END_HEADERS | PADDED, 1),
        frame("HEADERS", END_HEADERS | PADDED, 1, b"\x05abc"),
        frame("HEADERS", END_HEADERS | PRIORITY, 1, b"abcd"),
        frame("PUSH_PROMISE", END_HEADERS, 1, b"abc"),
        frame("HEADERS", END_HEADERS, 1, bytes(300_000)),
    ],
)
def test_frames_that_are_wrong_are_called_unreadable(lines: Lines, octets: bytes) -> None:
    assert "unreadable: " in lines.one(octets)
    assert lines.one(frame("PING", payload=bytes(8))).startswith("< 0 PING"), "and it goes on"


def test_header_fields_are_decoded(lines: Lines) -> None:
    fields = [(":status", "200"), ("content-type", "text/html"), ("x", 'two "words"\t\xff')]
    block = lines.encoder.encode(fields)
    shown = ':status=200 content-type=text/html x="two \\"words\\"\\t\\xc3\\xbf"'

    assert lines.one(frame("HEADERS", 5, 1, block)).endswith(
        f"END_STREAM|END_HEADERS {shown} [HPACK: 32 for 46]"
    )
    # By now the encoder refers to its table.
    assert lines.one(frame("HEADERS", 4, 3, lines.encoder.encode(fields))).endswith(
        f"{shown} [HPACK: 3 for 46]"
    )


def test_secrets_are_hidden(lines: Lines) -> None:
    secrets = ["authorization", "cookie", "set-cookie", "proxy-authorization"]
    block = lines.encoder.encode([(name, "s3cret") for name in secrets])
    line = lines.one(frame("HEADERS", END_HEADERS, 1, block), ">")

    assert "s3cret" not in line
    for name in secrets:
        assert f"{name}=<6 octets hidden>" in line


def test_long_values_are_cut(lines: Lines) -> None:
    block = lines.encoder.encode([("x", "y" * 5000)])
    line = lines.one(frame("HEADERS", END_HEADERS, 1, block))
    assert "y... (5000 octets)" in line
    assert len(line) < 300

    line = lines.one(frame("GOAWAY", payload=bytes(8) + b"z" * 1000))
    assert line.endswith('z"... (1000 octets)')
    assert len(line) < 300


def test_padding_priority_and_promises_are_taken_off_the_block(lines: Lines) -> None:
    block = lines.encoder.encode([(":path", "/")])
    flags = END_HEADERS | PADDED | PRIORITY
    line = lines.one(frame("HEADERS", flags, 1, padded(bytes(5) + block, 3)), ">")
    assert line.endswith("END_HEADERS|PADDED|PRIORITY padding=3 :path=/ [HPACK: 1 for 6]")

    promise = frame("PUSH_PROMISE", END_HEADERS | PADDED, 1, padded(b"\0\0\0\2" + block, 0))
    assert lines.one(promise).endswith("padding=0 promises=2 :path=/ [HPACK: 1 for 6]")
    promise = frame("PUSH_PROMISE", END_HEADERS, 1, b"\0\0\0\4")
    assert lines.one(promise).endswith("promises=4")


def test_a_block_in_pieces_is_shown_with_its_last_one(lines: Lines) -> None:
    block = lines.encoder.encode([(":status", "200"), ("server", "x")])
    octets = frame("HEADERS", END_STREAM, 1, block[:1])
    octets += frame("CONTINUATION", 0, 1, block[1:2])
    octets += frame("CONTINUATION", END_HEADERS, 1, block[2:])

    assert lines.of(octets) == [
        "< 1 HEADERS 1 END_STREAM (to be continued)",
        "< 1 CONTINUATION 1 (to be continued)",
        f"< 1 CONTINUATION {len(block) - 2} END_HEADERS :status=200 server=x "
        f"[HPACK: {len(block)} for 17]",
    ]


def test_a_block_that_was_left_off_is_forgotten(lines: Lines) -> None:
    block = lines.encoder.encode([(":status", "200")])
    lines.of(frame("HEADERS", 0, 1, b"\xff"))

    assert lines.one(frame("HEADERS", END_HEADERS, 3, block)).endswith(
        " :status=200 [HPACK: 1 for 10]"
    )


def test_a_block_without_an_end_is_not_kept(lines: Lines) -> None:
    lines.of(frame("HEADERS", 0, 1))
    for _ in range(40):
        lines.of(frame("CONTINUATION", 0, 1, bytes(16_384)))

    assert len(reader(lines)._block) < 300_000


def test_a_bad_block_makes_that_directions_fields_unreadable(lines: Lines) -> None:
    """RFC 9113 §4.3: the table is the whole connection's."""
    good = lines.encoder.encode([(":status", "200")])

    assert "unreadable: " in lines.one(frame("HEADERS", END_HEADERS, 1, b"\xff\xff\xff"))
    later = lines.one(frame("HEADERS", END_HEADERS, 3, good))
    assert later.endswith("(fields unreadable since an earlier block was)")
    assert lines.one(frame("HEADERS", END_HEADERS, 1, good), ">").endswith(
        ":status=200 [HPACK: 1 for 10]"
    )


def test_tables_may_grow_as_far_as_the_other_side_allows(lines: Lines) -> None:
    """RFC 9113 §6.5.2: SETTINGS bind the encoder of whoever receives them."""
    lines.of(frame("SETTINGS", payload=struct.pack(">HL", 1, 8192)), ">")
    lines.encoder.header_table_size = 8192
    block = lines.encoder.encode([(":status", "200")])
    assert lines.one(frame("HEADERS", END_HEADERS, 1, block)).endswith(
        ":status=200 [HPACK: 4 for 10]"
    )

    # A broken decoder has no table to grow.
    lines.of(frame("HEADERS", END_HEADERS, 3, b"\xff\xff\xff"))
    lines.of(frame("SETTINGS", payload=struct.pack(">HL", 1, 9000)), ">")


def test_windows_change_with_the_settings_once_these_are_agreed_to(lines: Lines) -> None:
    """RFC 9113 §6.5.3, §6.9.2: also those of streams that are open."""
    piece = frame("DATA", 0, 1, b"x" * 1000)
    lines.one(frame("SETTINGS", ACK), ">")  # of the greeting
    assert "[window: stream 64535, connection 64535]" in lines.one(piece, ">")
    lines.one(frame("SETTINGS", payload=struct.pack(">HL", 4, 10_000)), "<")
    assert "[window: stream 63535, connection 63535]" in lines.one(piece, ">")
    lines.one(frame("SETTINGS", ACK), ">")
    assert "[window: stream 7000, connection 62535]" in lines.one(piece, ">")
    assert "[window: stream 9000, connection 61535]" in lines.one(
        frame("DATA", 0, 3, b"x" * 1000), ">"
    )


def test_data_is_counted_and_not_kept(lines: Lines) -> None:
    octets = frame("DATA", PADDED, 1, b"\x03" + bytes(2**24 - 2))
    assert lines.of(octets[:100]) == [
        f"< 1 DATA {2**24 - 1} PADDED padding=3 "
        f"[window: stream {65536 - 2**24}, connection {65536 - 2**24}]"
    ]
    assert lines.of(octets[100:1000]) == []
    assert len(reader(lines)._inbox) == 0
    assert lines.of(octets[1000:] + SETTINGS) == ["< 0 SETTINGS 0"]


@pytest.mark.parametrize(
    ("direction", "octets"),
    [
        ("<", b"220 ready for mail\r\n"),
        (">", PREFACE + frame("PING", payload=bytes(8))),
        ("<", frame("SETTINGS", payload=bytes(300_000))),
    ],
)
def test_what_is_no_http2_is_said_once(direction: str, octets: bytes) -> None:
    lines = Lines(greet=False)
    said = lines.of(octets, direction)

    assert said[-1].startswith(f"{direction} not HTTP/2 from here on: ")
    assert lines.of(octets, direction) == []
    assert len(reader(lines, direction)._inbox) == 0


def conversation() -> bytes:
    encoder = hpack.Encoder()
    block = encoder.encode([(":status", "200"), ("server", "me")])
    return b"".join(
        [
            SETTINGS,
            frame("SETTINGS", ACK),
            frame("HEADERS", 0, 1, block[:2]),
            frame("CONTINUATION", END_HEADERS, 1, block[2:]),
            frame("DATA", PADDED, 1, padded(b"12345", 5)),
            frame("DATA", END_STREAM, 1, b""),
            frame("GOAWAY", payload=bytes(8)),
        ]
    )


@settings(deadline=None)
@given(st.lists(st.integers(0, len(PREFACE + conversation())), max_size=20))
def test_any_split_of_the_octets_gives_the_same_lines(cuts: list[int]) -> None:
    whole, split = Lines(greet=False), Lines(greet=False)
    octets = PREFACE + conversation()
    whole.of(octets, ">")
    ends = [0, *sorted(cuts), len(octets)]
    for start, end in itertools.pairwise(ends):
        split.of(octets[start:end], ">")

    assert split.said == whole.said
    assert len(whole.said) == 8


@settings(deadline=None)
@given(st.binary(max_size=200), st.sampled_from("<>"), st.booleans())
def test_no_octets_can_break_it(octets: bytes, direction: str, greet: bool) -> None:
    lines = Lines(greet)
    lines.of(octets, direction)
    lines.of(octets, direction)

    assert all("\n" not in line and line.isascii() for line in lines.said)


@settings(deadline=None)
@given(st.data())
def test_no_frames_can_break_it(data: st.DataObject) -> None:
    lines = Lines()
    for _ in range(5):
        kind, flags, stream = data.draw(
            st.tuples(st.integers(0, 10), st.integers(0, 255), st.integers(0, 7))
        )
        lines.one(frame(kind, flags, stream, data.draw(st.binary(max_size=40))))


# Recordings


def test_a_recording_gives_back_all_octets_of_all_connections(tmp_path: Path) -> None:
    path = tmp_path / "recording"
    times = iter((10.0, 10.5, 20.0, 12.25, 20.5))
    first = RecordTrace(str(path), clock=lambda: next(times))
    first(">", PREFACE)
    second = RecordTrace(str(path), clock=lambda: next(times))
    first("<", bytes(range(256)))
    second(">", b"")

    assert path.stat().st_mode & 0o777 == 0o600, "secrets are in it"
    with open(path) as file:
        heading = file.readline()
        assert "secrets included" in heading
        file.seek(0)
        records = list(read_recording(file))
    assert [record[1:] for record in records] == [
        (0.5, ">", PREFACE),
        (2.25, "<", bytes(range(256))),
        (0.5, ">", b""),
    ]
    assert records[0].connection == records[1].connection != records[2].connection


@pytest.mark.parametrize(
    "text",
    [
        "something else\n",
        recording.HEADING + "1 0.0 > 00 11\n",
        recording.HEADING + "1 0.0 x 00\n",
        recording.HEADING + "1 0.0 > 0\n",
        recording.HEADING + "1 x > 00\n",
        recording.HEADING + "1\n",
        "1 0.0 > 00\n",
    ],
)
def test_what_is_no_recording_is_said_by_line(text: str) -> None:
    number = text.count("\n")
    with pytest.raises(ValueError, match=f"line {number} is not of a recording"):
        list(read_recording(io.StringIO(text)))


def test_a_recording_that_cannot_go_on_lets_the_connection_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    record = RecordTrace(str(folder / "recording"))
    (folder / "recording").unlink()
    folder.rmdir()
    record(">", b"one")
    record(">", b"two")

    assert capsys.readouterr().err.count("ends here") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limits of a process")
def test_a_disk_that_takes_half_a_line_ends_the_recording(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import resource

    path = tmp_path / "recording"
    record = RecordTrace(str(path))
    record(">", b"one")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 30, limits[1]))
    try:
        record(">", b"two" * 100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    record(">", b"three")

    assert capsys.readouterr().err.count("ends here") == 1
    assert b"three".hex() not in path.read_text()


# What asks for a trace


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No trace asked for, whatever asked for one before."""
    monkeypatch.delenv("HYPER_TRACE", raising=False)
    logger = logging.getLogger("hyper.frames")
    level, logger.level = logger.level, logging.INFO
    yield
    logger.setLevel(level)


def greet(asked: Callable[[str, bytes], object] | None) -> None:
    assert asked is not None
    asked(">", PREFACE + SETTINGS)


@pytest.mark.usefixtures("quiet")
def test_nobody_asked() -> None:
    assert trace_for_connection() is None


@pytest.mark.usefixtures("quiet")
def test_a_dash_asks_for_lines_on_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HYPER_TRACE", "-")
    greet(trace_for_connection())

    assert "> preface\n" in capsys.readouterr().err


@pytest.mark.usefixtures("quiet")
def test_a_terminal_that_is_gone_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPER_TRACE", "-")
    closed = io.StringIO()
    closed.close()
    for stderr in (closed, None):
        monkeypatch.setattr(sys, "stderr", stderr)
        greet(trace_for_connection())


@pytest.mark.usefixtures("quiet")
def test_a_name_asks_for_a_recording(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HYPER_TRACE", str(tmp_path / "recording"))
    greet(trace_for_connection())

    with open(tmp_path / "recording") as file:
        assert [record.data for record in read_recording(file)] == [PREFACE + SETTINGS]


@pytest.mark.usefixtures("quiet")
def test_a_name_that_cannot_be_written_is_an_error_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HYPER_TRACE", str(tmp_path / "nowhere" / "recording"))
    with pytest.raises(FileNotFoundError, match=r"HYPER_TRACE names a file .*nowhere"):
        trace_for_connection()


@pytest.mark.usefixtures("quiet")
def test_logging_asks_for_lines_and_both_may_be_asked_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    with caplog.at_level(logging.DEBUG, logger="hyper.frames"):
        greet(trace_for_connection())
        assert [record.name for record in caplog.records] == ["hyper.frames"] * 2
        assert "preface" in caplog.messages[0]

        monkeypatch.setenv("HYPER_TRACE", str(tmp_path / "recording"))
        greet(trace_for_connection())
    assert len(caplog.records) == 4
    assert (tmp_path / "recording").read_text().count("\n") == 2


@pytest.mark.usefixtures("quiet")
def test_logging_is_not_imported_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "logging")
    assert trace_for_connection() is None
    assert "logging" not in sys.modules


# python -m hyper.trace


def recorded(tmp_path: Path) -> Path:
    path = tmp_path / "recording"
    record = RecordTrace(str(path))
    record(">", PREFACE + SETTINGS)
    record("<", conversation())
    return path


def test_a_recording_is_shown_as_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = recorded(tmp_path)

    assert main([str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 9
    assert all(line.startswith(f"{os.getpid()}.") for line in lines)
    assert lines[-1].endswith("last=0 NO_ERROR")


@pytest.mark.parametrize("arguments", [[], ["--help"], ["one", "two"]])
def test_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 1
    assert capsys.readouterr().err == "usage: python -m hyper.trace FILE\n"


def test_a_file_that_is_none_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other").write_bytes(b"\xff\n")
    for name in ("other", "missing"):
        assert main([str(tmp_path / name)]) == 1
        error = capsys.readouterr().err
        assert error.startswith("hyper.trace: error: ")
        assert error.count("\n") == error.count(name) == 1


def test_a_file_of_other_octets_is_said_to_be_no_recording(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other").write_bytes(b"\xff\n")
    main([str(tmp_path / "other")])
    assert "other: line 1 is not of a recording" in capsys.readouterr().err


def test_whoever_stops_reading_is_no_news(tmp_path: Path) -> None:
    path = recorded(tmp_path)
    record = RecordTrace(str(path))
    record(">", PREFACE + SETTINGS * 2000)  # more than any buffer holds back
    command = [sys.executable, "-m", "hyper.trace", str(path)]
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as nobody:
        done = subprocess.run(command, stdout=nobody, stderr=subprocess.PIPE, timeout=30)

    assert (done.returncode, done.stderr) == (1, b"")
