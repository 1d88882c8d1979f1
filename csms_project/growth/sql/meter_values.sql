-- Samples of the sessions that started in a month; the last digit of the session says how much its charger tells.
SELECT tenant_id AS tenant, charge_point_id AS charge_point, connector_number, id AS transaction, sampled_at,
    sampled_at + interval '1 second' AS received_at, layouts[1 + id %% 3] AS layout, register AS register_wh,
    ('["' || register || '","' || power || CASE WHEN id %% 3 > 0 THEN '","16.1","15.9","16.0' ELSE '' END
        || CASE WHEN id %% 3 > 1 THEN '","230.1","229.8","231.0' ELSE '' END || '"]')::jsonb AS values
FROM (
    SELECT s.*, length * g / (samples + 1) + started_at AS sampled_at,
        meter_start_wh + round(energy_wh * g / (samples + 1)) AS register,
        (4000 + 18000 * pg_temp.u(s.id, 11))::integer AS power
    FROM (
        SELECT t.id, t.tenant_id, t.charge_point_id, t.connector_number, t.started_at, t.meter_start_wh, t.energy_wh,
            coalesce(t.ended_at, %(now)s) - t.started_at AS length,
            greatest(1, round((%(mean)s * (0.2 + 1.6 * pg_temp.u(t.id, 12)))::numeric))::integer AS samples,
            (SELECT array_agg(id ORDER BY digest) FROM transactions_meterlayout WHERE digest LIKE 'seed-%%') AS layouts
        FROM transactions_transaction t JOIN seed_point p ON p.id = t.charge_point_id
        WHERE t.started_at >= %(since)s AND t.started_at < %(until)s
    ) AS s CROSS JOIN LATERAL generate_series(1, samples) AS g
) AS m
ORDER BY sampled_at
