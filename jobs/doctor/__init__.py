"""The promises that archives rest on, tried where an archive is to be; one file a role."""
