"""The words every HTTP version shares; imports nothing of ours."""
