"""What an editor asks of a spec while it is written, and the server that answers."""
