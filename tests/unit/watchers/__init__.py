"""Tests of the two watchers and of what they decide."""
