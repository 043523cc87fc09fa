"""The console's pages: a file each, with a template of the same name."""
