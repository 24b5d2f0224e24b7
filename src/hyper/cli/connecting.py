"""Connections as the options want them, one to each origin, kept for the next request."""

from __future__ import annotations

import re
from itertools import count
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ..common.exceptions import HyperError
from ..http20.limits import INITIAL_MAX_STREAMS
from ..sync.connection import HTTP11Connection, HTTP20Connection, HTTPConnection
from .arguments import Options
from .credentials import ask_for_secret
from .failing import CommandError, UsageError
from .proxies import proxy_for
from .request import Request
from .target import Target
from .watching import Turn, Watchers

if TYPE_CHECKING:
    import ssl

__all__ = ["Client"]


class Client:
    """Whoever asks: holds the connections, and tells the watchers."""

    def __init__(self, options: Options, watchers: Watchers) -> None:
        self.options = options
        self.watchers = watchers
        self._connections: dict[tuple[str, str, int], HTTPConnection] = {}
        self._context: ssl.SSLContext | None = None
        self._turns = count()
        self.demo: tuple[str, str, int] | None = None
        self._connect_to = [_elsewhere(text, 4, "--connect-to") for text in options.connect_to]
        self._resolve = [_elsewhere(text, 3, "--resolve") for text in options.resolve]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections; whoever waits on one, in any thread, gets an error."""
        for connection in list(self._connections.values()):
            connection.close()

    def connection(self, target: Target) -> HTTPConnection:
        """The connection to a target's origin, made if there is none, but not yet dialled."""
        connection = self._connections.get(target.origin)
        if connection is None:
            connection = self._connections[target.origin] = self._made(target)
            self.watchers.connecting(connection, "{}://{}:{}".format(*target.origin))
        return connection

    def ask(self, request: Request) -> Turn:
        """Send a request and wait for the head of its response."""
        turn = self.begin(request)
        return self.answer(turn)

    def begin(self, request: Request, within: float | None = None) -> Turn:
        """Send a request, which may take so many seconds; those of --max-time by default."""
        if within is None:
            within = self.options.max_time
        target = request.target
        connection = self.connection(target)
        turn = Turn(next(self._turns), request.method, target.url, connection)
        source = request.body.source if request.body is not None else None
        headers = [(_octets(name), _octets(value)) for name, value in request.headers]
        try:
            turn.stream_id = connection.request(
                request.method, target.path, source, headers, total_timeout=within
            )
        except BaseException as error:
            self.watchers.ended(turn, error)
            raise
        self.watchers.asked(turn)
        return turn

    def answer(self, turn: Turn) -> Turn:
        """Wait for the head of the response to what this thread has sent."""
        try:
            turn.response = turn.connection.get_response(turn.stream_id)
        except BaseException as error:
            self.watchers.ended(turn, error)
            wants = self._may_want(turn) if isinstance(error, HyperError) else ""
            if wants:
                raise CommandError(f"{error}; if it wants {wants}") from error
            raise
        turn.stream_id = turn.response.stream_id
        self.watchers.answered(turn)
        return turn

    def _may_want(self, turn: Turn) -> str:
        """What a server may speak instead that has not said a word of what we spoke to it."""
        connection, protocol = turn.connection, self.options.protocol
        if connection.secure or connection.max_concurrent_streams != INITIAL_MAX_STREAMS:
            return ""
        if protocol in ("h2", "http2"):
            return f"TLS: https://; if HTTP/1.1: no --{protocol}"
        if protocol is None and isinstance(connection, HTTP11Connection):
            return "TLS: https://; if HTTP/2 without TLS: --h2"
        return "TLS: https://" if protocol else ""

    def _made(self, target: Target) -> HTTPConnection:
        options = self.options
        secure = target.scheme == "https"
        protocol = options.protocol
        if target.origin == self.demo and protocol is None:
            protocol = "h2"
        if protocol == "upgrade" and secure:
            raise UsageError("--upgrade is for http://; over TLS it is ALPN that asks for HTTP/2")
        arguments: dict[str, Any] = {
            "secure": secure,
            "ssl_context": self._tls() if secure else None,
            "proxy_host": None if target.origin == self.demo else proxy_for(target, options.proxy),
            "timeout": options.timeout,
        }
        kind: type[HTTPConnection] = HTTPConnection
        if protocol in ("h2", "http2"):
            kind = HTTP20Connection
            arguments["force_proto"] = "h2" if protocol == "h2" else None
        elif protocol == "http1.1" or (protocol is None and not secure):
            kind = HTTP11Connection
        if kind is not HTTP11Connection:
            # What the server may push is shown by who looks on.
            arguments["enable_push"] = options.waterfall
        try:
            connection = kind(_bracketed(target.host), target.port, **arguments)
        except (ImportError, ValueError) as error:
            raise UsageError(str(error)) from None
        connection.connect_to = self._where_instead(target)
        if options.alpn is not None:
            connection.alpn = ()  # the context's own, which is the one asked for
        return connection

    def _tls(self) -> ssl.SSLContext | None:
        options = self.options
        if options.verify is True and not options.cert and options.alpn is None:
            return None  # the usual one
        if self._context is None:
            import ssl

            from ..tls import init_context

            trusted = options.verify if isinstance(options.verify, str) else None
            own: Any = options.cert
            if options.cert and options.cert_key:
                own = (options.cert, options.cert_key)
            try:
                context = init_context(trusted, own, options.cert_key_pass)
            except ValueError as error:
                password = _password(options, error)
                if password is None:
                    raise
                context = init_context(trusted, own, password)
            if options.verify is False:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            if options.alpn is not None:
                context.set_alpn_protocols(options.alpn)
            self._context = context
        return self._context

    def _where_instead(self, target: Target) -> tuple[str, int] | None:
        """Whom to connect to instead: by --connect-to, and where that is by --resolve."""
        asked = target.host.lower(), target.port
        found = asked
        for rules in (self._connect_to, self._resolve):
            for host, port, other, other_port in rules:
                if host.lower() in ("", "*", found[0]) and port in (0, found[1]):
                    found = (other or found[0], other_port or found[1])
                    break  # the first that fits
        return None if found == asked else found


def _password(options: Options, error: ValueError) -> str | None:
    """The password of our key, asked for if that is what ``error`` wants."""
    if options.cert_key_pass is not None or "is encrypted" not in str(error):
        return None
    return ask_for_secret(f"password of the key in {options.cert_key or options.cert}: ")


def _elsewhere(text: str, size: int, option: str) -> tuple[str, int, str, int]:
    """Host, port, and the host and port in their place; "" and 0 stand for any and the same."""
    parts = re.findall(r"(\[[^\]]*\]|[^:\[\]]*)(?::|$)", text)
    if text and not text.endswith(":"):
        parts = parts[:-1]  # findall sees an empty match at the end
    if option == "--resolve" and len(parts) > 3:
        parts[2:] = [text.split(":", 2)[2]]  # an IPv6 address without brackets
    wanted = "HOST:PORT:ADDRESS" if size == 3 else "HOST:PORT:HOST2:PORT2"
    ports = [parts[place] for place in (1, 3) if place < len(parts)]
    if len(parts) != size or not all(re.fullmatch("[0-9]{0,5}", port) for port in ports):
        raise UsageError(f"{option} takes {wanted}, not {text!r}")
    numbers = [int(port or 0) for port in ports]
    if any(number > 65_535 for number in numbers) or (size == 3 and not parts[2]):
        raise UsageError(f"{option} takes {wanted}, with ports up to 65535, not {text!r}")
    if "," in parts[2]:
        raise UsageError(f"{option} takes one address and no list of them, as in {text!r}")
    host, other = parts[0].strip("[]"), parts[2].strip("[]")
    return host, numbers[0], other, numbers[1] if size == 4 else 0


def _octets(text: str) -> bytes:
    # Octets of the command line that are not text in its encoding stay what they are.
    return text.encode(errors="surrogateescape")


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
