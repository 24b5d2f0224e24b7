"""Soaking: very many requests, and load with chaos, for as long as one likes."""
