"""An endpoint as its owner sees it."""
