SELECT tenant_id AS tenant, id AS charge_point, moment AS received_at, 'firmware' AS kind, 'Installed' AS status
FROM seed_moment WHERE g <= 20 * %(points)s ORDER BY moment
