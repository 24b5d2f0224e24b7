"""What requests cost, here and with other clients; README.md says how and on what."""
