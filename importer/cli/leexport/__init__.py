"""leexportpy, which is leexport, too."""
