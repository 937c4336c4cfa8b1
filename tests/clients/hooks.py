"""What schemathesis leaves out."""
