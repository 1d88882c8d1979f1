"""Smart charging: what profiles say, what is wrong with them, and what follows from several of them."""
