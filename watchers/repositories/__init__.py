"""The repository watcher: looks at the refs that tools follow, and creates ToolDeployments.

    following   which repositories are looked at, for whom, how often (pure)
    patience    when a repository or host that failed is asked again (pure)
    turns       when it is whose turn (pure)
    poller      the schedule, and one check of one repository
    recording   carries out, write by write, what `watchers.decide` decides
    stored      the few reads and writes of `ports`, on the cache and the store

Runs while this process leads. Everything that must survive a restart is in the objects.
"""
