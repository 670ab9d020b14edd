"""Parts of float networks that several families train."""
