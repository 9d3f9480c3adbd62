"""Reading a user's config: text or an object in, a valid spec or every mistake out.

Used by the command line, the HTTP API and whoever reads a ToolConfig that somebody else wrote.
`load` takes a file's text and knows lines; `load_object` takes what JSON or a custom resource
holds. Both accept old spellings, keep unknown fields out, and never raise for bad input. The rules
themselves are the models' (`controller.models.toolconfig`).
"""

from controller.config.loading import Loaded, load, load_object, plain_loc
from controller.config.migrating import Migrated, migrate
from controller.config.problems import Problem
from controller.models.findings import Policy

__all__ = ["Loaded", "Migrated", "Policy", "Problem", "load", "load_object", "migrate", "plain_loc"]
