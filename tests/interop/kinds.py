"""Every server of the interop ring: its configuration, what it offers, its farewell.

Each kind is one function that writes its configuration into a folder of its own and returns the
commands to run in the foreground. All of them serve the same tree over HTTP/2 on TLS; what needs
a program (``asgi.py`` lists the paths) they pass on to one HTTP/1.1 backend.
"""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from .servers import HERE, Configure, Kind, Ports, Site

__all__ = ["BACKEND", "KINDS", "offering"]

#: Paths that the servers of files pass on to the backend.
PROGRAMS = ["/upload", "/mirror", "/slow"]
#: The same MAX_CONCURRENT_STREAMS for all, where it can be set (caddy insists on 250).
STREAMS = 100
APPLICATION = "tests.interop.asgi:app"


def _root() -> bool:
    return os.geteuid() == 0


def _write(file: Path, text: str) -> str:
    file.write_text(text)
    return str(file)


# --- servers that run the application ----------------------------------------------------------


def _hypercorn(program: str, site: Site, folder: Path, ports: Ports) -> list[list[str]]:
    settings = f"""
bind = ["127.0.0.1:{ports.tls}"]
insecure_bind = ["127.0.0.1:{ports.plain}"]
certfile = "{site.certificate}"
keyfile = "{site.key}"
h2_max_concurrent_streams = {STREAMS}
graceful_timeout = 3
workers = 0
errorlog = "-"
"""
    return [[program, "--config", _write(folder / "config.toml", settings), APPLICATION]]


def _backend(program: str, site: Site, folder: Path, ports: Ports) -> list[list[str]]:
    settings = f"""
bind = ["127.0.0.1:{ports.plain}"]
keep_alive_timeout = 600
graceful_timeout = 0.5
workers = 0
errorlog = "-"
"""
    return [[program, "--config", _write(folder / "config.toml", settings), APPLICATION]]


def _granian(program: str, site: Site, folder: Path, ports: Ports) -> list[list[str]]:
    common = [program, "--interface", "asgi", "--host", "127.0.0.1", "--log-level", "warning"]
    common += ["--http2-max-concurrent-streams", str(STREAMS), "--no-ws"]
    certificate = ["--ssl-certificate", str(site.certificate), "--ssl-keyfile"]
    return [
        [*common, "--port", str(ports.tls), *certificate, str(site.key_pkcs8), APPLICATION],
        [*common, "--port", str(ports.plain), APPLICATION],
    ]


def _node(program: str, site: Site, folder: Path, ports: Ports) -> list[list[str]]:
    files = [str(site.root), str(site.certificate), str(site.key)]
    script = str(HERE / "node_server.cjs")
    return [[program, script, *files, str(ports.tls), str(ports.plain)]]


# --- servers of files --------------------------------------------------------------------------


def _nghttpd(program: str, site: Site, folder: Path, ports: Ports) -> list[list[str]]:
    common = [program, "-a", "127.0.0.1", "-d", str(site.root), "--echo-upload"]
    common += ["-m", str(STREAMS), "--trailer", "x-sum: 42"]
    common += ["--push", "/page.html=/small.txt"]
    return [
        [*common, str(ports.tls), str(site.key), str(site.certificate)],
        [*common, "--no-tls", str(ports.plain)],
    ]


def _nginx(program: str, site: Site, folder: Path, ports: Ports) -> list[list[str]]:
    proxied = "".join(
        f"""
    location = {path} {{
      proxy_pass http://127.0.0.1:{site.backend};
      proxy_http_version 1.1;
      proxy_buffering off;
      proxy_request_buffering off;
    }}"""
        for path in PROGRAMS
    )
    temporary = "".join(
        f"  {what}_temp_path {folder}/{what};\n"
        for what in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    tree = f"""
    root {site.root};
    location = /page.html {{ http2_push /small.txt; }}
    location = /trailers {{ add_trailer x-sum 42 always; try_files /small.txt =404; }}{proxied}
"""
    text = f"""
daemon off;
{"user root;" if _root() else ""}
pid {folder}/pid;
error_log stderr warn;
worker_processes 1;
events {{ worker_connections 1024; }}
http {{
  access_log off;
{temporary}
  types {{ text/html html; text/plain txt; }}
  client_max_body_size 0;
  http2_max_concurrent_streams {STREAMS};
  gzip on;
  ssl_certificate {site.certificate};
  ssl_certificate_key {site.key};
  server {{ listen 127.0.0.1:{ports.tls} ssl http2; {tree} }}
  server {{ listen 127.0.0.1:{ports.plain} http2; {tree} }}
}}
"""
    return [[program, "-e", "stderr", "-p", str(folder), "-c", _write(folder / "nginx.conf", text)]]


def _h2o(program: str, site: Site, folder: Path, ports: Ports) -> list[list[str]]:
    proxied = "".join(
        f"""
      "{path}":
        proxy.reverse.url: "http://127.0.0.1:{site.backend}{path}"
        proxy.timeout.keepalive: 0"""
        for path in PROGRAMS
    )
    text = f"""
{"user: root" if _root() else ""}
listen:
  host: 127.0.0.1
  port: {ports.tls}
  ssl:
    certificate-file: {site.certificate}
    key-file: {site.key}
listen:
  host: 127.0.0.1
  port: {ports.plain}
error-log: /dev/stderr
num-threads: 1
http2-max-concurrent-requests-per-connection: {STREAMS}
hosts:
  default:
    paths:
      "/":
        file.dir: {site.root}
        compress: [gzip]
      "/page.html":
        mruby.handler: |
          Proc.new {{ |env| [399, {{"link" => "</small.txt>; rel=preload"}}, []] }}
        file.file: {site.root}/page.html
        compress: [gzip]{proxied}
"""
    return [[program, "-m", "worker", "-c", _write(folder / "h2o.yaml", text)]]


def _caddy(program: str, site: Site, folder: Path, ports: Ports) -> list[list[str]]:
    text = f"""
{{
  admin off
  auto_https off
  grace_period 5s
  log {{
    output stderr
    level ERROR
  }}
  servers {{
    protocols h1 h2 h2c
  }}
}}
(tree) {{
  bind 127.0.0.1
  encode gzip
  root * {site.root}
  @programs path {" ".join(PROGRAMS)}
  reverse_proxy @programs 127.0.0.1:{site.backend} {{
    flush_interval -1
  }}
  file_server
}}
https://:{ports.tls} {{
  tls {site.certificate} {site.key}
  import tree
}}
http://:{ports.plain} {{
  import tree
}}
"""
    config = _write(folder / "Caddyfile", text)
    return [[program, "run", "--config", config, "--adapter", "caddyfile"]]


def _apache_modules(program: str) -> Path:
    for folder in ("/usr/lib/apache2/modules", "/usr/lib64/httpd/modules"):
        if Path(folder).is_dir():
            return Path(folder)
    return Path(program).parent.parent / "modules"


def apache_start(program: str, folder: Path, wanted: str) -> str:
    """How every configuration of Apache's begins: its modules, and one process with threads."""
    modules = "".join(
        f"<IfModule !{name}_module>\n"
        f"  LoadModule {name}_module {_apache_modules(program)}/mod_{name}.so\n"
        "</IfModule>\n"
        for name in wanted.split()
    )
    return f"""
{modules}
ServerName localhost
ServerRoot {folder}
DefaultRuntimeDir {folder}
PidFile {folder}/pid
Mutex file:{folder}
ErrorLog /dev/stderr
LogLevel warn
User nobody
Group nogroup
StartServers 1
ServerLimit 1
ThreadsPerChild 64
MaxRequestWorkers 64
"""


def _apache(program: str, site: Site, folder: Path, ports: Ports) -> list[list[str]]:
    wanted = "mpm_event authz_core mime dir deflate filter headers http2 ssl proxy proxy_http"
    # One connection to the backend for each request: an idle one that the backend closes at the
    # wrong moment would answer 502 for reasons that are none of ours.
    proxied = "".join(
        f"ProxyPass {path} http://127.0.0.1:{site.backend}{path} enablereuse=off flushpackets=on\n"
        for path in PROGRAMS
    )
    text = f"""
{apache_start(program, folder, wanted)}
TypesConfig /dev/null
AddType text/html .html
AddType text/plain .txt
AddOutputFilterByType DEFLATE text/html
Listen 127.0.0.1:{ports.tls}
Listen 127.0.0.1:{ports.plain}
DocumentRoot {site.root}
DirectoryIndex index.html
H2MaxSessionStreams {STREAMS}
H2EarlyHints on
H2Push on
{proxied}
ProxyPass /hints http://127.0.0.1:{site.backend}/hints
<LocationMatch "^/(hints|page.html)$">
  H2PushResource /small.txt
</LocationMatch>
<Directory {site.root}>
  Require all granted
</Directory>
<VirtualHost 127.0.0.1:{ports.tls}>
  Protocols h2 http/1.1
  SSLEngine on
  SSLCertificateFile {site.certificate}
  SSLCertificateKeyFile {site.key}
</VirtualHost>
<VirtualHost 127.0.0.1:{ports.plain}>
  Protocols h2c http/1.1
</VirtualHost>
"""
    return [[program, "-DFOREGROUND", "-f", _write(folder / "apache.conf", text)]]


# --- proxies -----------------------------------------------------------------------------------


HAPROXY_START = f"""
global
  log stderr format raw local0 warning
  tune.h2.max-concurrent-streams {STREAMS}
  nbthread 1
defaults
  mode http
  log global
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout tunnel 60s
"""


def _haproxy(program: str, site: Site, folder: Path, ports: Ports) -> list[list[str]]:
    text = f"""
{HAPROXY_START}
frontend site
  bind 127.0.0.1:{ports.tls} ssl crt {site.bundle} alpn h2,http/1.1
  bind 127.0.0.1:{ports.plain} proto h2
  http-request early-hint link "</small.txt>; rel=preload" if {{ path /hints }}
  default_backend programs
backend programs
  compression offload
  compression algo gzip
  compression type text/html
  server one 127.0.0.1:{site.backend}
"""
    return [[program, "-W", "-db", "-f", _write(folder / "haproxy.cfg", text)]]


def nghttpx_start(program: str) -> list[str]:
    """How every command for nghttpx begins: no files but those that are named, few words."""
    command = [program, "--conf=/dev/null", "--no-ocsp", "--accesslog-file=/dev/null"]
    return [*command, "--errorlog-file=/dev/stderr", "--log-level=WARN"]


def _nghttpx(program: str, site: Site, folder: Path, ports: Ports) -> list[list[str]]:
    command = [*nghttpx_start(program), f"--frontend-http2-max-concurrent-streams={STREAMS}"]
    command += [f"-f127.0.0.1,{ports.tls}", f"-f127.0.0.1,{ports.plain};no-tls"]
    command += [f"-b127.0.0.1,{site.backend}", str(site.key), str(site.certificate)]
    return [command]


def _envoy(program: str, site: Site, folder: Path, ports: Ports) -> list[list[str]]:
    kinds = "type.googleapis.com/envoy.extensions"
    manager = {
        "name": "http",
        "typed_config": {
            "@type": f"{kinds}.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "site",
            "codec_type": "AUTO",
            "http2_protocol_options": {"max_concurrent_streams": STREAMS},
            "route_config": {
                "virtual_hosts": [
                    {
                        "name": "all",
                        "domains": ["*"],
                        "routes": [
                            {
                                "match": {"prefix": "/"},
                                "route": {"cluster": "programs", "timeout": "0s"},
                            }
                        ],
                    }
                ]
            },
            "http_filters": [
                {
                    "name": "router",
                    "typed_config": {"@type": f"{kinds}.filters.http.router.v3.Router"},
                }
            ],
        },
    }
    certificate = {
        "certificate_chain": {"filename": str(site.certificate)},
        "private_key": {"filename": str(site.key)},
    }
    tls = {
        "name": "tls",
        "typed_config": {
            "@type": f"{kinds}.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {
                "alpn_protocols": ["h2", "http/1.1"],
                "tls_certificates": [certificate],
            },
        },
    }

    def address(port: int) -> dict[str, object]:
        return {"socket_address": {"address": "127.0.0.1", "port_value": port}}

    listeners = [
        {
            "name": name,
            "address": address(port),
            "filter_chains": [{"filters": [manager], **transport}],
        }
        for name, port, transport in (
            ("tls", ports.tls, {"transport_socket": tls}),
            ("plain", ports.plain, {}),
        )
    ]
    cluster = {
        "name": "programs",
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": "programs",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(site.backend)}}]}],
        },
    }
    text = json.dumps({"static_resources": {"listeners": listeners, "clusters": [cluster]}})
    command = [program, "-c", _write(folder / "envoy.json", text), "--concurrency", "1"]
    return [[*command, "--disable-hot-restart", "--log-level", "error"]]


def _kind(
    name: str,
    program: str,
    configure: Configure,
    offers: str,
    farewell: signal.Signals = signal.SIGTERM,
) -> Kind:
    return Kind(name, program, configure, frozenset(offers.split()), farewell)


#: The ring. The first nine are the promise; nghttpx and envoy come at next to no cost.
KINDS = {
    kind.name: kind
    for kind in (
        _kind(
            "hypercorn",
            "hypercorn",
            _hypercorn,
            "tls plain digest mirror slow drain gzip hints trailers",
        ),
        _kind("granian", "granian", _granian, "tls plain digest mirror slow drain gzip"),
        _kind("node", "node", _node, "tls plain digest mirror slow drain gzip hints trailers push"),
        _kind("nghttpd", "nghttpd", _nghttpd, "tls plain echo trailers push"),
        _kind(
            "nginx",
            "nginx",
            _nginx,
            "tls plain digest mirror slow drain gzip trailers push",
            signal.SIGQUIT,
        ),
        _kind("h2o", "h2o", _h2o, "tls plain digest mirror slow drain gzip push"),
        _kind("caddy", "caddy", _caddy, "tls plain digest mirror slow drain gzip"),
        _kind(
            "apache",
            "apache2",
            _apache,
            "tls plain digest mirror slow drain gzip hints push",
            signal.SIGWINCH,
        ),
        _kind(
            "haproxy",
            "haproxy",
            _haproxy,
            "tls plain digest mirror slow drain gzip hints",
            signal.SIGUSR1,
        ),
        _kind(
            "nghttpx",
            "nghttpx",
            _nghttpx,
            "tls plain digest mirror slow drain gzip",
            signal.SIGQUIT,
        ),
        # SIGTERM ends envoy at once; draining is asked of its administration port.
        _kind("envoy", "envoy", _envoy, "tls plain digest mirror slow gzip"),
    )
}

#: The HTTP/1.1 server behind the proxies: the application on hypercorn, cleartext only.
BACKEND = _kind("backend", "hypercorn", _backend, "plain digest mirror slow")


def offering(*what: str) -> list[str]:
    """The names of the servers that can do all of this."""
    return [name for name, kind in KINDS.items() if kind.offers.issuperset(what)]
