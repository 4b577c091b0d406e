"""`litestar demo`: a made-up organization of any size. It is for a checkout: the image does without."""
