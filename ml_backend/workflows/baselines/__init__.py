"""Compare a prompted model with what learned from labels, on the test rows and by what both cost."""
