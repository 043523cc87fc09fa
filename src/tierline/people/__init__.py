"""People who sign in: their roles, passwords, links and sessions."""
