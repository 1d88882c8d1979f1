SELECT tenant_id AS tenant, id AS charge_point, moment AS received_at, 'com.example' AS vendor_id, 'Rejected' AS answer
FROM seed_moment WHERE g <= 100 * %(points)s ORDER BY moment
