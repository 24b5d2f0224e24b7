"""The words of a command line, told apart: its options, METHOD, URL and items.

What items mean is ``items``'; what the URL means is ``target``'s. ``hyper --help`` prints what
stands here.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any, Final, NoReturn

from .. import __version__
from .failing import UsageError

__all__ = ["METHODS", "PRINTABLE", "Options", "read_arguments"]

METHODS: Final = frozenset(
    ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY")
)

USAGE: Final = "hyper [-h] [--version] [--debug] [option ...] [METHOD] URL [REQUEST_ITEM ...]"

WORDS: Final = """\
words:
  METHOD          GET, POST, ... in capitals; without one it is GET, or POST when there is data
  URL             https:// may be left out; :8443/x is https://localhost:8443/x;
                  demo:/get asks a small server that lives as long as the command
  REQUEST_ITEM    Name:value     a header             Accept:text/html
                  Name:          without the header   User-Agent:
                  Name;          an empty header      X-Empty;
                  :authority:x   a pseudo-header, instead of what the URL says
                  name==value    a query parameter    search==hyper
                  name=value     a field of the body  language=Python
                  name:=json     other JSON           stars:=5
                  name@file      a file to upload     photo@me.jpg   (with --form, --multipart)
                  name=@file     a field's text from a file; Name:@file, name==@file as well
                  name:=@file    JSON from a file
                  @file          the whole body, from a file

  A backslash takes its meaning from the sign behind it: field\\:name=value. Names of fields nest:
  a[b]=1 is {"a": {"b": "1"}}, list[]=x appends, list[2]=x counts.

exit codes: 0 a response came, whatever its status; 1 error; 2 timeout; 6 too many redirects;
            3, 4, 5 with --check-status: the status was 3xx, 4xx, 5xx; 130 interrupted
"""

#: What --print takes: parts of the request, parts of the response, how it went.
PRINTABLE: Final = "HBhbm"

#: The redirects that --follow goes along with.
MAX_REDIRECTS: Final = 20

#: What can be asked for at once by --parallel, and in all by --repeat.
MAX_PARALLEL: Final = 1_000
MAX_REPEAT: Final = 1_000_000


class Options(argparse.Namespace):
    """What a command line says, before any of it is looked into.

    method        as given, or None
    url, items    as given
    body_type     'json', 'form' or 'multipart'; None is JSON unless something speaks against it
    raw           the body itself, or None
    timeout       seconds of silence to put up with; None is any number
    max_time      seconds that everything may take together; with --repeat, each request
    verify        True, False, or a file or folder of certificates to trust
    protocol      'h2', 'http2', 'http1.1' or 'upgrade'; None leaves it to ALPN
    alpn          what to offer; None is h2 and http/1.1
    printed       which of ``PRINTABLE`` to print; None depends on where the output goes
    verbose       how many ``-v`` there were; quiet in the same way
    auth_type     'basic', 'bearer' or 'digest'
    proxy, resolve, connect_to  as given, each any number of times
    repeat        requests in all; None is one, without figures
    parallel      requests at once
    trace         a file to write what happened to; its suffix says how
    """

    words: list[str]
    method: str | None
    url: str
    items: list[str]

    body_type: str | None
    raw: str | None
    ignore_stdin: bool
    offline: bool
    compressed: bool

    printed: str | None
    verbose: int
    quiet: int
    all: bool
    stream: bool
    download: bool
    output: str | None
    resume: bool
    pretty: str | None
    style: str

    follow: bool
    max_redirects: int
    timeout: float | None
    max_time: float | None
    check_status: bool
    auth: str | None
    auth_type: str
    ignore_netrc: bool
    session: str | None
    session_read_only: str | None

    verify: bool | str
    cert: str | None
    cert_key: str | None
    cert_key_pass: str | None
    proxy: list[str]
    resolve: list[str]
    connect_to: list[str]

    protocol: str | None
    alpn: list[str] | None
    debug: bool

    repeat: int | None
    parallel: int

    waterfall: bool
    assets: bool
    trace: str | None
    explain: bool


_BODY = "name=value, @FILE or --raw BODY"
_HEADER = "Name:value behind the URL"
_METHOD = "METHOD before the URL"

#: What hands write that know curl, and what they mean here.
CURLS: Final = {
    "-X": _METHOD,
    "--request": _METHOD,
    "-H": _HEADER,
    "--header": _HEADER,
    "--data": _BODY,
    "--data-raw": _BODY,
    "--data-binary": _BODY,
    "--data-urlencode": _BODY,
    "-T": "@FILE behind the URL",
    "--upload-file": "@FILE behind the URL",
    "-G": "name==value behind the URL",
    "--get": "name==value behind the URL",
    "-i": "--print hb",
    "--include": "--print hb",
    "--head": "HEAD before the URL",
    "-k": "--verify no",
    "--insecure": "--verify no",
    "--cacert": "--verify FILE",
    "-L": "--follow",
    "--location": "--follow",
    "-u": "--auth USER",
    "--user": "--auth USER",
    "-x": "--proxy URL",
    "--fail": "--check-status",
    "-w": "--meta",
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        unknown = re.match(r"unrecognized arguments: (--?[\w.-]+)", message)
        if unknown is not None:
            from difflib import get_close_matches

            option = unknown[1]
            ours = CURLS.get(option if option.startswith("--") else option[:2])
            near = get_close_matches(option, self._option_string_actions, 1, 0.75)
            if ours is not None:
                message = f"unrecognized arguments: {option} (here it is {ours})"
            elif near:
                message = f"{message} (is {near[0]} meant?)"
        raise UsageError(f"{message}; see hyper --help")


def read_arguments(arguments: Sequence[str]) -> Options:
    """Read a command line. Raises UsageError, and SystemExit(0) after --help or --version."""
    options = Options()
    # What stands behind -- is no option; parse_intermixed_args forgets so on some Pythons.
    end = arguments.index("--") if "--" in arguments else len(arguments)
    # Options may stand anywhere, also between the URL and the items.
    _parser().parse_intermixed_args(arguments[:end], options)
    words = [*options.words, *arguments[end + 1 :]]
    options.method, options.url, options.items = _sorted(words)
    _check(options)
    return options


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="hyper",
        usage=USAGE,
        description="Make an HTTP/2 request and show what comes back.",
        epilog=WORDS,
        # One is made for each option, to check it. Without a width each would ask shutil, which
        # brings three compressors along.
        formatter_class=partial(argparse.RawDescriptionHelpFormatter, width=_columns() - 2),
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"hyper {__version__}")
    parser.add_argument("words", nargs="*", help=argparse.SUPPRESS)
    _request_options(parser.add_argument_group("request"))
    _output_options(parser.add_argument_group("output"))
    _course_options(parser.add_argument_group("redirects, time and identity"))
    _connection_options(parser.add_argument_group("connection"))
    _insight_options(parser.add_argument_group("insight"))
    return parser


def _columns() -> int:
    """The terminal's, for the help: what COLUMNS says, or the terminal, or 80."""
    said = os.environ.get("COLUMNS", "")
    if said.isdecimal() and int(said):
        return int(said)
    try:
        return os.get_terminal_size(1).columns or 80
    except (OSError, ValueError):
        return 80


Group = Any  # argparse keeps the name of its groups to itself


def _flag(group: Group, *names: str, help: str, **more: Any) -> None:
    group.add_argument(*names, action="store_true", help=help, **more)


def _request_options(group: Group) -> None:
    kind = group.add_mutually_exclusive_group()
    for short, name, what in (
        ("-j", "json", "fields make a JSON object (the default)"),
        ("-f", "form", "fields make a form; with a file, a multipart one"),
        (None, "multipart", "fields make a multipart form, with files or without"),
    ):
        names = [short, f"--{name}"] if short else [f"--{name}"]
        kind.add_argument(*names, action="store_const", dest="body_type", const=name, help=what)
    group.add_argument("--raw", metavar="BODY", help="the body itself, as it is to be sent")
    _flag(group, "-I", "--ignore-stdin", help="do not read a body from standard input")
    _flag(group, "--offline", help="print the request and send nothing")
    group.add_argument(
        "--compressed",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="take the body compressed and unpack it (the default); or ask for it as it is, and "
        "leave it so",
    )


def _output_options(group: Group) -> None:
    group.add_argument(
        "-p",
        "--print",
        metavar="WHAT",
        dest="printed",
        help="letters: H request headers, B request body, h response headers, b response body, "
        "m figures (default: hb on a terminal, b elsewhere)",
    )
    for names, letters, what in (
        (("--headers",), "h", "the same as --print=h"),
        (("-b", "--body"), "b", "the same as --print=b"),
        (("-m", "--meta"), "m", "the same as --print=m"),
    ):
        group.add_argument(*names, action="store_const", dest="printed", const=letters, help=what)
    group.add_argument(
        "-v",
        "--verbose",
        action="count",
        default=0,
        help="the same as --print=HhBb --all; given twice, with m",
    )
    _flag(group, "--all", help="with --follow, show what was on the way as well")
    group.add_argument(
        "-q",
        "--quiet",
        action="count",
        default=0,
        help="print nothing but errors and warnings; given twice, no warnings either",
    )
    _flag(group, "-S", "--stream", help="show each line when it comes, instead of the whole neatly")
    group.add_argument(
        "--pretty",
        choices=("all", "colors", "format", "none", "python"),
        help="colour and indent, only colour, only indent, neither; or JSON as Python writes it "
        "(default: all on a terminal, none elsewhere)",
    )
    group.add_argument(
        "-s",
        "--style",
        metavar="NAME",
        default="auto",
        help="colours: auto is the terminal's own; others are those of pygments, if installed",
    )
    _flag(
        group,
        "-d",
        "--download",
        help="save the body in a file named by the server or the URL; follows redirects",
    )
    group.add_argument("-o", "--output", metavar="FILE", help="save what would be printed in FILE")
    _flag(group, "-c", "--continue", dest="resume", help="go on with a download; with --output")


def _course_options(group: Group) -> None:
    _flag(group, "-F", "--follow", help="follow redirects")
    group.add_argument(
        "--max-redirects",
        metavar="N",
        type=_whole(0, 1_000),
        default=MAX_REDIRECTS,
        help=f"how many at most (default: {MAX_REDIRECTS})",
    )
    group.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=_seconds,
        default=30.0,
        help="the longest silence to put up with (default: 30); 0 is any",
    )
    group.add_argument(
        "--max-time",
        metavar="SECONDS",
        type=_seconds,
        help="what all of it may take, redirects included (default: any)",
    )
    _flag(group, "--check-status", help="say by the exit code that the status was 3xx, 4xx or 5xx")
    group.add_argument(
        "-a", "--auth", metavar="USER[:PASSWORD]|TOKEN", help="who we are; asks for the password"
    )
    group.add_argument(
        "-A",
        "--auth-type",
        metavar="TYPE",
        choices=("basic", "bearer", "digest"),
        default="basic",
        help="basic (the default), bearer or digest",
    )
    _flag(group, "--ignore-netrc", help="do not look for passwords in ~/.netrc")
    sessions = group.add_mutually_exclusive_group()
    sessions.add_argument(
        "--session",
        metavar="NAME|FILE",
        help="keep headers, --auth and cookies for the next time; a FILE has a slash in it",
    )
    sessions.add_argument(
        "--session-read-only", metavar="NAME|FILE", help="use what was kept, and change nothing"
    )


def _connection_options(group: Group) -> None:
    protocol = group.add_mutually_exclusive_group()
    for name, what in (
        ("http2", "HTTP/2 or nothing"),
        ("h2", "HTTP/2 without asking: prior knowledge, and whatever ALPN says"),
        ("http1.1", "HTTP/1.1 and nothing else (the default for http://)"),
        ("upgrade", "without TLS, ask by an HTTP/1.1 request to go on in HTTP/2"),
    ):
        protocol.add_argument(
            f"--{name}", action="store_const", dest="protocol", const=name, help=what
        )
    group.add_argument(
        "--alpn", metavar="LIST", type=_protocols, help="what to offer by ALPN: h2,http/1.1 or none"
    )
    group.add_argument(
        "--verify",
        metavar="yes|no|FILE",
        default="yes",
        type=_trust,
        help="whether to check the server's certificate, or against what (default: yes)",
    )
    group.add_argument("--cert", metavar="FILE", help="our own certificate, PEM")
    group.add_argument("--cert-key", metavar="FILE", help="its key, if it stands elsewhere")
    group.add_argument(
        "--cert-key-pass", metavar="PASSWORD", help="for an encrypted key; asked for if missing"
    )
    for option, metavar, what in (
        (
            "--proxy",
            "[SCHEME:]URL",
            "a proxy, http or socks5, for all or for one scheme: https:http://p:3128",
        ),
        ("--resolve", "HOST:PORT:ADDRESS", "where HOST is, instead of asking DNS"),
        ("--connect-to", "HOST:PORT:HOST2:PORT2", "whom to connect to instead; empty is any"),
    ):
        group.add_argument(option, metavar=metavar, action="append", default=[], help=what)


def _insight_options(group: Group) -> None:
    _flag(group, "--debug", help="show each frame on stderr")
    _flag(group, "--waterfall", help="draw when each stream waited, began and ended")
    _flag(group, "--assets", help="fetch what a page links to as well, over the same connection")
    group.add_argument(
        "--trace", metavar="FILE", help="write what happened: .html, .har, .json or .txt"
    )
    _flag(group, "--explain", help="say in words what was spoken, and why")
    group.add_argument(
        "--repeat",
        metavar="N",
        type=_whole(1, MAX_REPEAT),
        help="ask N times on one connection, and say how long it took",
    )
    group.add_argument(
        "--parallel",
        metavar="M",
        type=_whole(1, MAX_PARALLEL),
        default=1,
        help="M of them at once (default: 1)",
    )


# What the options take


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds, 0 for any")
    return seconds or None


def _whole(least: int, most: int) -> Any:
    def number(text: str) -> int:
        # Of int()'s words only the plain ones; it takes 1_0 and other scripts' digits too.
        value = int(text) if re.fullmatch("[0-9]{1,12}", text) else -1
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {least} to {most}")
        return value

    return number


def _trust(text: str) -> bool | str:
    return {"yes": True, "true": True, "no": False, "false": False}.get(text.lower(), text)


def _protocols(text: str) -> list[str]:
    names = [] if text == "none" else text.split(",")
    if any(not name.isascii() or not 0 < len(name) < 256 for name in names):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list such as h2,http/1.1, nor none")
    return names


# What fits together


def _sorted(words: list[str]) -> tuple[str | None, str, list[str]]:
    """Tell METHOD, URL and items apart: the method may be missing."""
    if not words:
        raise UsageError("there is no URL; for a start: hyper demo:/get")
    first = words[0]
    known = first.upper() in METHODS
    if not known and (len(words) == 1 or not re.fullmatch("[A-Z][A-Z-]*", first)):
        return None, first, words[1:]
    if len(words) == 1:
        raise UsageError(f"there is no URL after {first}; for a start: hyper {first} demo:/get")
    return first.upper(), words[1], words[2:]


def _check(options: Options) -> None:
    """Options that each mean something, but not together."""
    wrong = sorted(set(options.printed or "") - set(PRINTABLE))
    if wrong:
        raise UsageError(f"--print knows H, B, h, b and m, and not {''.join(wrong)!r}")
    # What redirects have in them nobody wants in a file.
    options.follow = options.follow or options.download
    if options.resume and options.output in (None, "-"):
        raise UsageError("--continue goes on with a file: name it with --output FILE")
    if options.resume and not options.download:
        raise UsageError("--continue goes on with a download: add --download")
    if options.download and options.output == "-" and sys.stdout.isatty():
        raise UsageError("--download -o - is for a pipe or a file, and this is a terminal")
    if options.cert_key and not options.cert:
        raise UsageError("--cert-key is the key of a certificate: name that with --cert FILE")
    if options.parallel > 1 and options.repeat is None:
        raise UsageError("--parallel is for several requests: add --repeat N")
    if options.repeat is not None:
        for name in ("download", "output", "follow", "assets", "offline"):
            if getattr(options, name):
                raise UsageError(f"--repeat keeps no response, and does not go with --{name}")
        if options.auth_type == "digest":
            raise UsageError("--repeat does not go with --auth-type digest, which asks twice")
    if options.auth_type != "basic" and options.auth is None:
        raise UsageError(f"--auth-type {options.auth_type} needs the credentials: --auth TOKEN")
