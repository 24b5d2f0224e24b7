"""What happens on a connection, told to programs and drawn for people."""
