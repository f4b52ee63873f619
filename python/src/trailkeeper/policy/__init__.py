"""How much is recorded of each model and field, and who decided.

One chain of rules, of which the first that matches decides: `POLICY` of the settings, `EXCLUDE`,
`INCLUDE`, and what the model declares (`class Trail` in it, or the decorator `trail`). What nobody
says is recorded in full. `docs/guide/policy.md` tells it to users.

- `level`: the levels.
- `declaration`: what a model says of itself.
- `rules`: what holds, and why.
- `hooks`: callables of the application that veto a change, or add to its event.
- `disabling`: blocks in which nothing is recorded.

All of it is asked when a model is first used: the result stands in its tracker.
"""

from trailkeeper.policy.declaration import trail
from trailkeeper.policy.level import Level

__all__ = ["Level", "trail"]
