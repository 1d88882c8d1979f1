SELECT tenant_id AS tenant, id AS charge_point, moment AS received_at, moment AS at,
    pg_temp.pick('{SettingSystemTime,StartupOfTheDevice}', pg_temp.u(g, 61)) AS type
FROM seed_moment WHERE g <= 100 * %(points)s ORDER BY moment
