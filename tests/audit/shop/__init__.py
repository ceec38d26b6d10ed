"""An app of somebody else, which adds events of its own to the trail."""
