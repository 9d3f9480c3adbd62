"""The only code that speaks to git hosts: from a repository and its refs to commits.

    repositories ─▶ addresses   may this address be asked at all, and at which IP (pinned)
                 ─▶ a transport ls_remote (GitPython), protocol2 (aiohttp): refs as they are
                 ─▶ resolution  which of these refs the user meant (pure)

Used by the poller (`watchers.repositories`) and by the reconcile loop's Resolve step. Knows no
custom resource, no schedule and no retry: it answers or raises one of `controller.errors`.
"""
