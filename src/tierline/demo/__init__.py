"""`tierline demo`: everything on real input in one go."""
