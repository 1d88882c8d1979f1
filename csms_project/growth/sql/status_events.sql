SELECT tenant_id AS tenant, charge_point_id AS charge_point, moment AS received_at, moment AS at, connector_number,
    connector_number AS evse_number,
    CASE WHEN pg_temp.u(id, 31) < 0.004 THEN 'Faulted'
        ELSE pg_temp.pick('{Preparing,Charging,Finishing,Available}', (g - 1) / 4.0) END AS status,
    CASE WHEN pg_temp.u(id, 31) < 0.004 THEN 'GroundFailure' ELSE 'NoError' END AS error_code
FROM (SELECT *, started_at + g * (last_sample_at - started_at) / 4 AS moment
    FROM seed_session CROSS JOIN generate_series(1, 4) AS g) AS s
ORDER BY moment
