"""One function per thing that an operator or an event can ask for."""
