"""The plan, in tables by subject: building, running, ending, and when a tool is looked at."""
