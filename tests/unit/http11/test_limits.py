"""What a server of HTTP/1.1 can make us keep, in octets: the numbers of ``http11.limits`` at work.

The other tests go to each limit by its name, whatever number it is. These do not know the names:
somebody who makes a limit larger decides about a program's memory, and is asked to do it here too.
"""

from __future__ import annotations

import pytest

from hyper.http11.protocol import HTTP11Protocol

from .asking import CHUNKED, OK, answered, ask, read


@pytest.mark.parametrize(
    ("method", "before", "piece", "least", "most"),
    [
        (b"GET", OK + b"a: ", b"b" * 100, 65_000, 66_000),
        (b"GET", OK, b"a: b\r\n", 250 * 6, 260 * 6),
        (b"GET", OK, b"a: " + b"b" * 5000 + b"\r\n", 255_000, 270_000),
        (b"GET", b"", b"HTTP/1.1 103 X\r\n\r\n", 100 * 18, 102 * 18),
        (b"CONNECT", OK, b"a: " + b"b" * 500 + b"\r\n", 16_000, 17_000),
        (b"GET", CHUNKED + b"0\r\n", b"a: " + b"b" * 1000 + b"\r\n", 65_000, 67_000),
        (b"GET", CHUNKED + b"5;a=", b"b" * 10, 4000, 4200),
    ],
    ids=["line", "fields", "head", "interim", "CONNECT", "trailers", "chunk extension"],
)
def test_what_has_no_end_is_ended(
    method: bytes, before: bytes, piece: bytes, least: int, most: int
) -> None:
    client, exchange = answered(before, method=method)
    said = 0
    while exchange.error is None and said <= most:
        client.receive_data(piece)
        said += len(piece)
    assert least <= said <= most
    assert client.closed


@pytest.mark.parametrize(("size", "most"), [(1000, 1_100_000), (1, 17_000)], ids=["large", "tiny"])
def test_a_server_is_not_read_from_while_much_of_it_is_unread(size: int, most: int) -> None:
    client, exchange = answered(OK + b"content-length: 9999999\r\n\r\n")
    said = 0
    while not client.paused and said <= most:
        client.receive_data(bytes(size))
        said += size
    assert most // 2 <= said <= most
    read(client, exchange)
    assert not client.paused


@pytest.mark.parametrize(("size", "kept"), [(65_000, 60_000), (66_000, 0)])
def test_of_a_chunk_that_is_not_whole_little_is_kept_back(size: int, kept: int) -> None:
    """A large one is handed over as it comes, and can be as large as it likes."""
    client, exchange = answered(CHUNKED)
    client.receive_data(b"%x\r\n" % size + bytes(60_000))
    assert sum(map(len, exchange.chunks)) == 60_000 - kept


def test_of_a_body_a_quarter_of_a_mebibyte_waits_to_be_written() -> None:
    client = HTTP11Protocol()
    exchange = ask(client, b"POST", end=False)
    client.data_to_send()
    taken = 0
    while more := client.send_body(exchange, bytes(10_000), end=False):
        taken += more
    assert taken == 1 << 18
    assert len(client.data_to_send()) <= (1 << 18) + 1000
