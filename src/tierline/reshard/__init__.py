"""`tierline copy`: a whole installation into another database, with another number of shards.

No id changes: the route inside a customer's id decides the new shard, a name's own hash decides for
aliases, and its endpoint's id for what an endpoint knows of itself. The logs are merged into new
ones (`logs`), what endpoints are still owed becomes lanes (`owed`), everything else is moved row by
row (`rows`), and in the end both sides are compared (`check`). The source is only read.
"""

from tierline.reshard.progress import Copying
from tierline.reshard.run import Copied, copy_installation

__all__ = ["Copied", "Copying", "copy_installation"]
