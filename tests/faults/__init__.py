"""Crashes, lost answers, stale views, several leaders, bad input: nothing lost, nothing twice."""
