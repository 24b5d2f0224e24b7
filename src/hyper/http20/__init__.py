"""HTTP/2 (RFC 9113) without its network: octets in, octets out."""
