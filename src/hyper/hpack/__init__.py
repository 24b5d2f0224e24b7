"""Header compression for HTTP/2 (RFC 7541): an encoder and a decoder, each for one direction.

Imports nothing of ours, and nothing of the world.
"""

from __future__ import annotations

from .decoder import Decoder
from .encoder import Encoder
from .exceptions import HPACKError, HPACKLimitError

__all__ = ["Decoder", "Encoder", "HPACKError", "HPACKLimitError"]
