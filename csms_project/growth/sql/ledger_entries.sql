SELECT tenant_id AS tenant, id AS transaction, pg_temp.pick('{start,tariff,energy,cost}', (g - 1) / 4.0) AS kind,
    'Meter stop ' || register_wh || ' Wh less meter start ' || meter_start_wh || ' Wh.' AS text,
    jsonb_build_object('energy_wh', energy_wh::text) AS data, md5(id::text) AS message_id, moment AS at
FROM (SELECT *, CASE WHEN g <= 2 THEN started_at ELSE last_sample_at END AS moment
    FROM seed_session CROSS JOIN generate_series(1, 4) AS g) AS s
ORDER BY moment
