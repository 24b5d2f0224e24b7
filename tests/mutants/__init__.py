"""Mutants: the library with one defence taken out, and the tests that have to notice."""
