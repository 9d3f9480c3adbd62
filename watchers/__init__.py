"""The two watchers: of the custom resources (`objects`) and of the git repositories.

`objects` turns watch events into keys for the work queue; `repositories` polls git refs and
creates ToolDeployments. Neither decides how a deployment is carried out.
"""
