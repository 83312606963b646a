"""Kinds of jobs, one module each: what is asked for, how it is done, beside what it may run, and what follows it."""
