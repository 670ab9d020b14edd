"""The verbs: one signature each, for Python and for the command line. Light: jobs are loaded when a verb runs."""
