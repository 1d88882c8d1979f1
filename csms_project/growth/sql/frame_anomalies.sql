SELECT tenant_id AS tenant, id AS charge_point, moment AS received_at, 'MeterValues' AS action, '{}' AS frame,
    'connectorId is missing' AS problem, g %% 4 > 0 AS was_served, CASE WHEN g %% 50 > 0 THEN moment END AS resolved_at
FROM seed_moment WHERE g <= 20 * %(points)s ORDER BY moment
