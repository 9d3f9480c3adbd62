"""The stand-ins of Toolforge's services against what is known of the real ones."""
