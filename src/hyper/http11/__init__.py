"""HTTP/1.1 (RFC 9112) without its network: octets in, octets out."""
