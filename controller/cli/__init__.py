"""The `ptd` command: one module per group of commands, imported when it is called.

Commands parse arguments, call the rest of the program and show what came of it. Nothing may import
this package. Exit codes: 0 done, 1 it failed, 2 the input or the command line is wrong.
"""
