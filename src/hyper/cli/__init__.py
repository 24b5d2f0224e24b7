"""The ``hyper`` command: one request, its response, and one line for what went wrong.

Exit codes: 0 a response came, whatever its status; 1 an error; 2 a timeout; 6 too many redirects;
3, 4 and 5, with --check-status, for statuses of 3xx, 4xx and 5xx; 130 interrupted.
"""

import os
import sys

# Nothing else up here: until `main` runs, Ctrl-C is a traceback. What is needed is imported below.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

INTERRUPTED = 130  # as a shell says of what SIGINT ended


def main(argv: "Sequence[str] | None" = None) -> int:
    """Do what a command line says; return the exit code.

    argv  the words after the command's name; those of this process by default
    """
    try:
        _open_closed()
        return _main(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:
        return INTERRUPTED


def _main(argv: "Sequence[str]") -> int:
    from .arguments import read_arguments
    from .failing import ERROR, TIMEOUT, CommandError, UsageError, complain, without_warnings

    try:
        options = read_arguments(argv)
    except UsageError as error:
        complain(error)
        return ERROR
    except SystemExit:  # argparse has printed the help or the version
        return _flushed()

    # Not before it is clear that they are needed: --help and typing errors should be quick.
    from ..common.exceptions import HyperError
    from .output import OutputError, forget_output
    from .running import run

    try:
        with without_warnings(options.quiet > 1):
            return run(options)
    except OutputError as error:
        if error.quiet:
            forget_output(sys.stdout)
        else:
            complain(error)
        return ERROR
    except CommandError as error:
        complain(error)
        return error.code
    except TimeoutError as error:
        complain(_for_people(error))
        return TIMEOUT
    except (HyperError, OSError, ValueError) as error:
        complain(_for_people(error))
        return ERROR


def _open_closed() -> None:
    """Where standard output or errors are closed, let them go nowhere instead of failing.

    And let no socket get their descriptor, into which a library might yet print.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - open to the end


def _flushed() -> int:
    """The help may have gone into a pipe that is closed; then nobody wants to hear of it."""
    from contextlib import suppress

    from .failing import ERROR

    try:
        sys.stdout.flush()
    except OSError:
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ERROR
    return 0


_ANOTHERS = "the key is that of another certificate"

#: What a library tells programs to do, and what somebody at a prompt can do instead.
_ADVICE = (
    (
        "pass ssl_context=hyper.tls.init_context(cert_path=...)",
        "give the certificate of its issuer: --verify FILE",
    ),
    (
        "and set connect_to if that leads elsewhere",
        "with --connect-to if that leads elsewhere",
    ),
    (
        "; use HTTPConnection, which takes either, or force_proto='h2' if it is known to speak "
        "HTTP/2 all the same",
        "; without --http2, HTTP/1.1 is spoken to it",
    ),
    (
        "seems not to speak TLS on this port",
        "seems not to speak TLS on this port: http:// asks without it",
    ),
    ("give cert_password", "--cert-key-pass PASSWORD opens it"),
    ("or name a file with hyper.tls.init_context(cert_path=...)", "or --verify FILE"),
    # OpenSSL's words, which mean something to few.
    (
        "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required",
        "the server wants a certificate of ours: --cert FILE shows one",
    ),
    (
        "[SSL] PEM lib",
        "no certificate and key in PEM that can be read; --cert-key FILE names the key if it "
        "stands elsewhere, --cert-key-pass PASSWORD opens it",
    ),
    ("[SSL: NO_CERTIFICATE_ASSIGNED] no certificate assigned", _ANOTHERS),
    ("[X509: KEY_VALUES_MISMATCH] key values mismatch", _ANOTHERS),
    (
        "certificate has expired",
        "certificate has expired, or the clock here is wrong; --verify no looks at none",
    ),
    (
        "give credentials as 'user:password@host:port' or in proxy_headers",
        "--proxy http://USER:PASSWORD@HOST:PORT gives credentials",
    ),
    (
        "give credentials as 'socks5://user:password@host:port'",
        "--proxy socks5://USER:PASSWORD@HOST:PORT gives credentials",
    ),
)


def _for_people(error: Exception) -> Exception:
    import re

    from .failing import CommandError, said_by

    said = re.sub(r" \(_ssl\.c:\d+\)", "", said_by(error))
    for programs, people in _ADVICE:
        said = said.replace(programs, people)
    if not said:
        return error
    return CommandError(said)
