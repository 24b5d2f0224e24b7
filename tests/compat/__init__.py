"""Other people's programs and test suites, unmodified, on top of hyper."""
