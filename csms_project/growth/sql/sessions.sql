-- Sessions in the order of their starts: most have ended, some run (one for each of some chargers), a few were
-- forgotten. Busy chargers come first in the draw; the factor spreads them over the tenants.
SELECT tenant_id AS tenant, point AS charge_point, evse, connector, k AS connector_number, 'ocpp1.6' AS ocpp_version,
    -- Each n has a number of its own: multiplying by a primitive root permutes.
    ((n + 1) * 48271 %% 2147483647)::text AS ocpp_id,
    md5(n::text) || '00000000' AS start_digest,
    CASE WHEN ended_at IS NULL THEN 'active' ELSE 'ended' END AS state,
    CASE WHEN is_forgotten THEN '["stale"]'::jsonb WHEN luck < 0.02 THEN '["offline"]'::jsonb
        WHEN luck < 0.03 THEN '["meter_anomaly"]'::jsonb WHEN luck < 0.0305 THEN '["conflicting_stop"]'::jsonb
        ELSE '[]'::jsonb END AS flags,
    tag AS id_token, tag_value AS id_token_value,
    CASE WHEN tag IS NULL THEN 'Invalid' ELSE 'Accepted' END AS authorization_status,
    started_at, started_at + interval '1 second' AS start_received_at,
    ended_at, ended_at + interval '1 second' AS end_received_at,
    CASE WHEN ended_at IS NULL THEN '' WHEN luck > 0.99 THEN 'superseded' WHEN luck > 0.985 THEN 'operator'
        WHEN luck > 0.984 THEN 'orphan' ELSE 'charger' END AS end_kind,
    CASE WHEN ended_at IS NULL THEN '' WHEN luck < 0.001 THEN 'EmergencyStop'
        ELSE pg_temp.pick('{EVDisconnected,EVDisconnected,Local,Remote}', pg_temp.u(n, 10)) END AS stop_reason,
    register AS meter_start_wh, register::text AS meter_start_raw,
    CASE WHEN ended_at IS NOT NULL THEN register + wh END AS meter_stop_wh,
    register + wh AS register_wh, coalesce(ended_at, %(now)s) AS last_sample_at, wh AS energy_wh,
    CASE WHEN ended_at IS NULL THEN 11000 END AS power_w,
    tariff, 'Europe/Berlin' AS time_zone, 'EUR' AS currency,
    jsonb_build_object('id', tariff, 'name', 'Energy', 'currency', 'EUR', 'min_price', NULL, 'max_price', NULL,
        'elements', elements) AS tariff_snapshot,
    CASE WHEN ended_at IS NOT NULL THEN net + vat END AS cost,
    CASE WHEN ended_at IS NOT NULL THEN net END AS cost_excl_vat,
    CASE WHEN ended_at IS NOT NULL THEN vat END AS cost_vat,
    CASE WHEN ended_at IS NULL THEN '[]'::jsonb ELSE jsonb_build_array(jsonb_build_object('description', 'Energy',
        'quantity', (wh / 1000)::text, 'unit', 'kWh', 'unit_price', '0.49', 'vat_percent', '19',
        'amount_excl_vat', net::text, 'amount', (net + vat)::text)) END AS cost_lines
FROM (
    SELECT drawn.*, p.id AS point, p.tenant_id, p.evses[k] AS evse, p.connectors[k] AS connector, f.id AS tariff, f.elements,
        tag.id AS tag, coalesce(tag.value, 'UNKNOWN' || drawn.n %% 97) AS tag_value,
        CASE WHEN NOT drawn.is_active AND NOT is_forgotten THEN started_at + length END AS ended_at,
        round(1000000 * pg_temp.u(drawn.n, 6)::numeric) AS register,
        round(wh * 0.00049, 2) AS net, round(round(wh * 0.00049, 2) * 0.19, 2) AS vat
    FROM (
        SELECT n, is_active, is_forgotten, 1 + (pg_temp.u(n, 2) > 0.5)::integer AS k,
            CASE WHEN is_active OR is_forgotten THEN n %% %(points)s
                ELSE floor(%(points)s * power(pg_temp.u(n, 1), 1.7))::bigint * 1000003 %% %(points)s END AS place,
            CASE WHEN is_active THEN %(now)s - interval '3 hours' * pg_temp.u(n, 3)
                ELSE %(now)s - interval '8 hours' - %(year)s * pg_temp.u(n, 3) END AS started_at,
            interval '20 minutes' + interval '300 minutes' * power(pg_temp.u(n, 4), 2) AS length,
            round((500 + 60000 * power(pg_temp.u(n, 5), 2))::numeric) AS wh, pg_temp.u(n, 7) AS luck
        FROM (
            SELECT n, n >= %(count)s - %(active)s AS is_active,
                n >= %(count)s - %(active)s - %(forgotten)s AND n < %(count)s - %(active)s AS is_forgotten
            FROM generate_series(0::bigint, %(count)s - 1) AS n
        ) AS numbers
    ) AS drawn
    JOIN seed_point p ON p.n = drawn.place
    JOIN transactions_tariff f ON f.tenant_id = p.tenant_id
    LEFT JOIN seed_tag tag ON tag.tenant_id = p.tenant_id AND pg_temp.u(drawn.n, 9) < 0.96
        AND tag.n = floor(power(pg_temp.u(drawn.n, 8), 1.5) * p.tags)
) AS s
ORDER BY started_at
