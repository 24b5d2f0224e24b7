"""The ``hyper`` command: one request, its response, and one line for what went wrong.

Exit codes: 0 a response came, whatever its status; 1 an error; 2 a timeout; 130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import Final

from .arguments import Ask, UsageError, parse

__all__ = ["main"]

ERROR: Final = 1
TIMEOUT: Final = 2
INTERRUPTED: Final = 130  # as a shell says of what SIGINT ended


def main(argv: Sequence[str] | None = None) -> int:
    """Do what a command line says; return the exit code.

    argv  the words after the command's name; those of this process by default
    """
    try:
        return _main(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:
        return INTERRUPTED


def _main(argv: Sequence[str]) -> int:
    try:
        ask = parse(argv)
    except UsageError as error:
        return _fail(error)
    except SystemExit:  # argparse has printed the help or the version
        return 0

    # Not before it is clear that they are needed: --help and typing errors should be quick.
    from ..common.exceptions import HyperError
    from ..http20.exceptions import H2NotNegotiatedError
    from .output import OutputError, forget_output

    try:
        _run(ask)
    except OutputError as error:
        if not error.quiet:
            return _fail(error)
        forget_output(sys.stdout)
        return ERROR
    except TimeoutError as error:
        _fail(error)
        return TIMEOUT
    except H2NotNegotiatedError as error:
        # Its advice is for programs.
        what = str(error).partition(";")[0]
        return _fail(HyperError(f"{what}; this command speaks nothing else"))
    except (HyperError, OSError, ValueError) as error:
        return _fail(error)
    return 0


def _run(ask: Ask) -> None:
    from ..sync.connection import HTTP20Connection
    from .output import show

    with ExitStack() as stack:
        host, port, context, trace = ask.host, ask.port, None, None
        if ask.debug:
            from ..trace import FrameTrace

            trace = FrameTrace(partial(print, file=sys.stderr))
        if ask.scheme == "demo":
            from ..demo import DemoServer

            server = stack.enter_context(DemoServer())
            host, port = server.host, server.port
        secure = ask.scheme == "https"
        if secure and ask.verify is not True:
            from ..tls import init_context

            if ask.verify:
                context = init_context(ask.verify)
            else:
                import ssl

                context = init_context()
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
        connection = HTTP20Connection(
            host,
            port or (443 if secure else 80),
            secure=secure,
            ssl_context=context,
            timeout=ask.timeout,
            trace=trace,
        )
        stack.enter_context(connection)
        connection.request(ask.method, ask.path, body=ask.body, headers=ask.headers)
        show(connection.get_response(), sys.stdout, sys.stderr)


def _fail(error: Exception) -> int:
    """Say what went wrong, in one line."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    if isinstance(error, OSError) and error.filename and error.filename not in said:
        said = f"{said}: {error.filename}"
    # What a program would do about it is not what somebody at a prompt can do.
    said = said.replace(
        "pass ssl_context=hyper.tls.init_context(cert_path=...)",
        "give the certificate of its issuer: --verify FILE",
    )
    line = "".join(sign if sign.isprintable() else " " for sign in said or type(error).__name__)
    print(f"hyper: error: {line}", file=sys.stderr)
    return ERROR
