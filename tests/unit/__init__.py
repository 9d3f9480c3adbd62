"""Tests of one module each, without I/O and in virtual time."""
