"""Values and ports of the loop. Standard library only: nothing here reads a file, a clock or a socket."""
