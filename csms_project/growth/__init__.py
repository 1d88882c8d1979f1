"""What a year of use does to the database: a seeded one, and how fast its pages and statements are.

For measuring and for tests, on PostgreSQL; wired as `manage.py bench seed` and `manage.py bench pages`.
"""
