"""Origin `ycc`: colours that known programs made of luma and chroma, of full or half size, in integers."""
