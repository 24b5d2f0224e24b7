"""Every number that protects an HTTP/1.1 client from a hostile or broken server, with its reason.

Sizes are octets; the tests go to each limit and one beyond.
"""

from __future__ import annotations

from typing import Final

#: One line of a head or of trailers, without its end. Cookies and policies of 8 KiB exist;
#: http.client stops here as well.
MAX_LINE: Final = 65_536

#: Field lines in one head, or in trailers; the continuations of a folded one count too.
MAX_FIELDS: Final = 256

#: A whole head: all lines together, without their ends (CVE-2023-38039).
MAX_HEAD: Final = 262_144

#: The same for the answer to CONNECT, in which a proxy has little to say.
MAX_CONNECT_HEAD: Final = 16_384

#: All trailers together.
MAX_TRAILERS: Final = 65_536

#: One chunk-size line, extensions included (CVE-2023-39326). Real servers send under 20.
MAX_CHUNK_LINE: Final = 4096

#: Interim responses to one request; together they must also fit MAX_HEAD.
MAX_INFORMATIONAL: Final = 100

#: A chunk up to this size is handed over whole, a larger one in the pieces it arrives in.
WHOLE_CHUNK: Final = 65_536

#: Unread octets of a body, and pieces of it, at which reading from the network pauses until they
#: are read. HTTP/1.1 has no windows, so not reading is all the back-pressure there is.
MAX_UNREAD: Final = 1 << 20
MAX_UNREAD_PIECES: Final = 16_384

#: Octets of a request's body that wait to be written: worth one join, one encryption and one
#: write. ``send_body`` takes no more.
WRITE_BATCH: Final = 262_144
