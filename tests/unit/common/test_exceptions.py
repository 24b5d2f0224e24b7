"""Everyone's ancestors: what they carry, and how one failure reaches many."""

from __future__ import annotations

import builtins
import pickle
from collections.abc import Callable

import pytest

from hyper.common import exceptions
from hyper.common.exceptions import ContentDecodingError, HyperError, own_copy, template


@pytest.mark.parametrize("name", ["ContentDecodingError", "InvalidResponseError", "ProxyError"])
def test_what_the_other_side_did_can_be_caught_as_one_class(name: str) -> None:
    assert name in exceptions.__all__
    error = getattr(exceptions, name)
    assert issubclass(error, HyperError)
    # Neither the user's own mistakes nor the network's: those keep Python's own classes.
    assert not issubclass(error, (ValueError, TypeError, OSError))


def test_a_lost_connection_is_pythons_own_kind_as_well() -> None:
    error = exceptions.ConnectionError("the server closed the connection", retryable=True)
    assert isinstance(error, HyperError)
    assert isinstance(error, builtins.ConnectionError)
    assert str(error) == "the server closed the connection"
    assert error.retryable is True
    assert exceptions.ConnectionError().retryable is False
    assert HyperError.retryable is False


def test_an_error_carries_no_octets_unless_a_read_put_them_there() -> None:
    error = ContentDecodingError("short")
    assert error.partial == b""
    error.partial = b"half"
    assert HyperError.partial == b""
    assert pickle.loads(pickle.dumps(error)).partial == b"half"


def test_a_copy_to_raise_equals_the_original_and_is_chained_to_it() -> None:
    original = ContentDecodingError("the gzip stream stops short")
    original.partial = b"half"

    own = own_copy(original)

    assert own is not original
    assert type(own) is ContentDecodingError
    assert str(own) == str(original)
    assert own.partial == b"half"
    assert own.__cause__ is original


def test_raising_one_copy_leaves_the_others_traceback_alone() -> None:
    original = ConnectionResetError(104, "reset")
    first, second = own_copy(original), own_copy(original)

    with pytest.raises(ConnectionResetError):
        raise first

    assert first.__traceback__ is not None
    assert second.__traceback__ is None
    assert original.__traceback__ is None
    assert isinstance(second, ConnectionResetError)
    assert second.errno == 104


@pytest.mark.parametrize(
    ("old", "raised"),
    [
        ("ChunkedDecodeError", exceptions.InvalidResponseError("chunk of size 'x'")),
        ("LineTooLongError", exceptions.InvalidResponseError("a line of 65537 octets")),
        ("ConnectionResetError", ConnectionResetError(104, "reset")),
        ("ConnectionResetError", exceptions.ConnectionError("the server closed the connection")),
        ("SocketError", TimeoutError("no response head within 1 s")),
        ("SocketError", ConnectionRefusedError(111, "refused")),
        ("MissingCertFile", FileNotFoundError(2, "no such file", "ca.pem")),
        ("InvalidResponseError", exceptions.InvalidResponseError("no status line")),
    ],
)
def test_the_except_clauses_of_old_programs_catch_what_is_raised_now(
    old: str, raised: Exception
) -> None:
    assert old in exceptions.__all__
    with pytest.raises(getattr(exceptions, old)):
        raise raised


@pytest.mark.parametrize("old", ["TLSUpgrade", "HTTPUpgrade"])
def test_what_is_never_raised_any_more_can_still_be_named(old: str) -> None:
    assert issubclass(getattr(exceptions, old), HyperError)
    assert not issubclass(HyperError, getattr(exceptions, old))


def raised() -> Exception:
    try:
        try:
            raise OSError(5, "below")
        except OSError as error:
            raise ContentDecodingError("above") from error
    except ContentDecodingError as error:
        return error


def test_a_template_keeps_what_was_said_and_no_frames() -> None:
    original = raised()
    assert isinstance(original, ContentDecodingError)
    original.partial = b"some"
    kept = template(original)
    assert type(kept) is ContentDecodingError
    assert (str(kept), kept.partial) == ("above", b"some")
    cause = kept.__cause__
    assert isinstance(cause, OSError) and cause.errno == 5
    assert kept.__traceback__ is cause.__traceback__ is None
    assert kept.__context__ is cause.__context__ is None
    assert original.__traceback__ is not None


class Odd(Exception):
    def __init__(self, one: str, other: str) -> None:
        super().__init__(one + other)


@pytest.mark.parametrize("make", [own_copy, template])
def test_what_cannot_be_copied_is_named(make: Callable[[BaseException], BaseException]) -> None:
    """As an error of a window manager's, or of a body's, may be."""
    copied = make(Odd("a", "b"))
    assert type(copied) is HyperError
    assert str(copied) == "Odd: ab"
