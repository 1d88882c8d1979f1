"""What a load test needs of the database: charge points to play, and the proof that nothing was lost."""
