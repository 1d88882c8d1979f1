SELECT tenant_id AS tenant, id AS charge_point, moment AS created_at, moment + interval '1 minute' AS expires_at,
    moment + interval '1 second' AS completed_at, 30 AS timeout_s, 'operator' || g %% 12 AS requested_by_name,
    pg_temp.pick('{remote_start,remote_stop,reset,get_configuration,trigger_message}', pg_temp.u(g, 41)) AS action,
    CASE WHEN pg_temp.u(g, 42) < 0.002 THEN 'failed'
        ELSE pg_temp.pick('{accepted,accepted,accepted,rejected,timed_out}', pg_temp.u(g, 43)) END AS status,
    pg_temp.pick('{api,admin}', pg_temp.u(g, 44)) AS requested_via,
    '{"connectorId":1}'::jsonb AS request, '{"status":"Accepted"}'::jsonb AS response
FROM seed_moment WHERE g <= 100 * %(points)s ORDER BY moment
