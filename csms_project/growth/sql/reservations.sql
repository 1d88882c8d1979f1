SELECT tenant_id AS tenant, id AS charge_point, g AS reservation_id, '04A1B2C3' AS id_token_value,
    moment + interval '1 hour' AS expires_at, pg_temp.pick('{used,expired,cancelled}', pg_temp.u(g, 71)) AS status
FROM seed_moment WHERE g <= 5 * %(points)s ORDER BY moment
