"""Options and help of the verbs, a module a group. Light: jobs are imported when they run."""
