"""The command line that runs, exports and checks the notebooks."""
