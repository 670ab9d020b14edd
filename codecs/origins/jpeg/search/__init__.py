"""The search for the JPEG that a picture was decoded from."""
