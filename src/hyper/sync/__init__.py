"""The face for threads: sockets, TLS, and taking turns at one connection."""
