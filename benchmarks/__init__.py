"""What Tierline costs, beside what the same work costs by hand."""
