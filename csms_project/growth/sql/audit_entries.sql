SELECT tenant_id AS tenant, 'operator' || g %% 12 AS actor_name, 'api' AS via, 'chargepoint' AS object_type,
    id::text AS object_id, identity AS object_name, moment AS created_at,
    pg_temp.pick('{commands.send,id_tokens.change,charge_points.change}', pg_temp.u(g, 51)) AS action
FROM seed_moment ORDER BY moment
