"""The shape of hyper 0.7 as programs use it: names, arguments and what they default to."""

from __future__ import annotations

import importlib
import inspect

import pytest

import hyper

#: What third-party programs import, and from where; the names that were weighed and not kept are
#: in docs/decisions/0008-old-names.md.
IMPORTS = {
    "hyper": [
        "HTTPConnection",
        "HTTP20Connection",
        "HTTP11Connection",
        "HTTP20Response",
        "HTTP11Response",
        "HTTP20Push",
        "__version__",
    ],
    "hyper.tls": ["init_context", "wrap_socket", "H2_NPN_PROTOCOLS", "H2C_PROTOCOL", "_context"],
    "hyper.http20.exceptions": [
        "HTTP20Error",
        "HPACKEncodingError",
        "HPACKDecodingError",
        "ConnectionError",
        "ProtocolError",
        "StreamResetError",
    ],
    "hyper.http20.window": ["BaseFlowControlManager", "FlowControlManager"],
    "hyper.http20.errors": ["get_data"],
    "hyper.common.headers": ["HTTPHeaderMap"],
    "hyper.common.exceptions": [
        "ChunkedDecodeError",
        "InvalidResponseError",
        "SocketError",
        "LineTooLongError",
        "ConnectionResetError",
        "ConnectionError",
        "TLSUpgrade",
        "HTTPUpgrade",
        "MissingCertFile",
        "ProxyError",
    ],
}

#: The arguments of a connection in the order of the last development version.
BOTH = "host port secure window_manager enable_push ssl_context proxy_host proxy_port"
ARGUMENTS = {
    "HTTPConnection": BOTH,
    "HTTP20Connection": BOTH,
    "HTTP11Connection": "host port secure ssl_context proxy_host proxy_port",
}
#: Added late, or to git only; programs give them by name.
BY_NAME = {
    "HTTPConnection": {"proxy_headers", "timeout"},
    "HTTP20Connection": {"force_proto", "proxy_headers", "timeout"},
    "HTTP11Connection": {"proxy_headers", "timeout"},
}
DEFAULTS = {"enable_push": False}

METHODS = {
    "HTTP20Connection": [
        "connect",
        "request",
        "get_response",
        "getresponse",
        "get_pushes",
        "putrequest",
        "putheader",
        "endheaders",
        "send",
        "ping",
        "close",
        "__enter__",
        "__exit__",
    ],
    "HTTP11Connection": ["connect", "request", "get_response", "close", "__enter__", "__exit__"],
    "HTTP20Response": ["read", "read_chunked", "close", "__enter__", "__exit__"],
    "HTTP11Response": ["read", "read_chunked", "close", "__enter__", "__exit__"],
    "HTTP20Push": ["get_response", "cancel"],
}


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module, names in IMPORTS.items() for name in names]
)
def test_what_programs_import_is_where_it_was(module: str, name: str) -> None:
    assert hasattr(importlib.import_module(module), name)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_connections_take_their_arguments_in_the_old_order(name: str) -> None:
    parameters = inspect.signature(getattr(hyper, name)).parameters
    by_place = [word for word, one in parameters.items() if one.kind is one.POSITIONAL_OR_KEYWORD]
    old = ARGUMENTS[name].split()
    assert by_place[: len(old)] == old
    assert set(parameters) >= BY_NAME[name]
    for word in [*old[1:], *BY_NAME[name]]:
        assert parameters[word].default is DEFAULTS.get(word), word


@pytest.mark.parametrize(
    ("name", "method"), [(name, method) for name, methods in METHODS.items() for method in methods]
)
def test_objects_have_their_methods(name: str, method: str) -> None:
    assert callable(getattr(getattr(hyper, name), method))


def test_init_context_takes_what_it_took() -> None:
    parameters = inspect.signature(hyper.tls.init_context).parameters
    assert list(parameters) == ["cert_path", "cert", "cert_password"]
    assert all(one.default is None for one in parameters.values())


def test_request_takes_what_it_took() -> None:
    parameters = inspect.signature(hyper.HTTP20Connection.request).parameters
    assert list(parameters)[:5] == ["self", "method", "url", "body", "headers"]


def test_close_takes_what_it_took() -> None:
    for name in ("HTTP20Connection", "HTTPConnection", "HTTP11Connection"):
        parameter = inspect.signature(getattr(hyper, name).close).parameters["error_code"]
        assert parameter.default is None


def test_a_window_manager_is_made_of_what_it_was_made_of() -> None:
    window = importlib.import_module("hyper.http20.window")
    parameters = inspect.signature(window.BaseFlowControlManager.__init__).parameters
    assert list(parameters) == ["self", "initial_window_size", "document_size"]
    manager = window.FlowControlManager(65535)
    assert (manager.initial_window_size, manager.window_size) == (65535, 65535)
    assert manager.document_size is None
    assert manager.blocked() == 0
