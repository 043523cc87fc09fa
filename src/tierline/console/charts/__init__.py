"""Charts as numbers: laid out here, drawn by the templates."""
