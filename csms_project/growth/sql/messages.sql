-- The message log; one message in 250 was answered with an error, one in 2,000 not at all.
SELECT tenant_id AS tenant, point AS charge_point, at AS received_at, action NOT IN ('RemoteStartTransaction',
    'UnlockConnector') AS sent_by_charger, action, request, substr(md5(n::text), 1, 8) || '-' || n AS message_id,
    CASE WHEN luck < 0.004 OR luck > 0.9995 THEN '' ELSE response END AS response,
    CASE WHEN luck < 0.004 THEN 'FormationViolation' ELSE '' END AS error_code,
    CASE WHEN luck < 0.004 THEN 'connectorId is missing' ELSE '' END AS error_description,
    CASE WHEN luck <= 0.9995 THEN at + interval '4 milliseconds' END AS answered_at
FROM (
    SELECT m.n, m.luck, %(start)s + %(length)s * (m.n / %(count)s::double precision) AS at, p.id AS point, p.tenant_id,
        a.action, a.request, a.response
    FROM (
        SELECT n, pg_temp.u(n, 21) AS kind, pg_temp.u(n, 23) AS luck,
            floor(%(points)s * power(pg_temp.u(n, 22), 1.7))::bigint * 1000003 %% %(points)s AS place
        FROM generate_series(%(first)s::bigint, %(last)s) AS n
    ) AS m
    JOIN seed_point p ON p.n = m.place
    JOIN (VALUES
        (0.0, 0.38, 'MeterValues', '{"connectorId":1,"transactionId":1,"meterValue":[{"timestamp":"2026-03-02T10:00:00Z",'
            '"sampledValue":[{"value":"104400","measurand":"Energy.Active.Import.Register","unit":"Wh"},'
            '{"value":"11000","measurand":"Power.Active.Import","unit":"W"}]}]}', '{}'),
        (0.38, 0.73, 'Heartbeat', '{}', '{"currentTime":"2026-03-02T10:00:00Z"}'),
        (0.73, 0.87, 'StatusNotification', '{"connectorId":1,"errorCode":"NoError","status":"Charging"}', '{}'),
        (0.87, 0.91, 'Authorize', '{"idTag":"***"}', '{"idTagInfo":{"status":"Accepted"}}'),
        (0.91, 0.94, 'StartTransaction', '{"connectorId":1,"idTag":"***","meterStart":1000,'
            '"timestamp":"2026-03-02T10:00:00Z"}', '{"transactionId":1,"idTagInfo":{"status":"Accepted"}}'),
        (0.94, 0.97, 'StopTransaction', '{"transactionId":1,"meterStop":9000,"timestamp":"2026-03-02T11:00:00Z"}', '{}'),
        (0.97, 0.98, 'BootNotification', '{"chargePointVendor":"Amperia","chargePointModel":"Wall 22"}',
            '{"status":"Accepted","currentTime":"2026-03-02T10:00:00Z","interval":300}'),
        (0.98, 0.985, 'DataTransfer', '{"vendorId":"com.example","data":"x"}', '{"status":"UnknownVendorId"}'),
        (0.985, 0.9999, 'RemoteStartTransaction', '{"idTag":"***","connectorId":1}', '{"status":"Accepted"}'),
        (0.9999, 1.0, 'UnlockConnector', '{"connectorId":1}', '{"status":"Unlocked"}')
    ) AS a (low, high, action, request, response) ON m.kind >= a.low AND m.kind < a.high
) AS s
ORDER BY n
