"""`make demo`: plays a tenant who pushes, against a `ptd local` of its own, and checks every claim.

`story` is what happens, `stage` what it happens with, `seen` what a tenant can see, `narration` how
it is told. It uses the program only as a user does: commands, files, git, HTTP.
"""
