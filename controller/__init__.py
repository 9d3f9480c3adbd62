"""push-to-deploy: the controller, its HTTP API and the `ptd` command.

Where to begin reading: `reconcile/reconciler.py`, then `reconcile/plan.py`.
"""

__version__ = "0.1.0"
