"""The one path on which a member changes: commands, group commit, sweep, rebuild, import."""
