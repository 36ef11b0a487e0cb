"""Images, annotations and results files: downloaded, checked, decoded."""
