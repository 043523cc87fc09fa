"""The commands of `tierline`, a file for each purpose."""
