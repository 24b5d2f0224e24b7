"""Fuzzing: octets that a machine invents, led by what they reach; ``README.md`` says how."""
