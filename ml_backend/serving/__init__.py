"""Answering texts: predictors, the cold start, and the one copy of each champion that a process holds."""
