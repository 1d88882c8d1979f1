SELECT gen_random_uuid() AS id, %(now)s - interval '1 day' * g / 20000.0 AS created_at
FROM generate_series(1, 20000) AS g
