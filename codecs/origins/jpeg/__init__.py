"""The origin `jpeg`: what a JPEG decoder made, back to the JPEG."""
