-- The outbox: a session's start and end, and what its connector reported in between.
SELECT tenant_id AS tenant, identity AS charge_point, moment AS created_at, moment AS dispatched_at,
    pg_temp.pick('{transaction.started,connector.status_changed,connector.status_changed,connector.status_changed,'
        'transaction.ended}', (g - 1) / 5.0) AS kind,
    CASE WHEN g IN (1, 5) THEN 'transaction' ELSE 'connector' END AS object_type,
    CASE WHEN g IN (1, 5) THEN id ELSE connector_id END::text AS object_id,
    jsonb_build_object('ocpp_id', ocpp_id, 'connector', connector_number, 'energy_wh', energy_wh::text) AS data
FROM (SELECT *, started_at + g * (last_sample_at - started_at) / 5 AS moment
    FROM seed_session CROSS JOIN generate_series(1, 5) AS g) AS s
ORDER BY moment
