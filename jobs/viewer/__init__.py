"""The viewer: a read-only web server over an archive, and its page; one file a role."""
