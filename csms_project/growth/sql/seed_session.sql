CREATE TEMPORARY TABLE seed_session ON COMMIT DROP AS
    SELECT t.id, t.tenant_id, t.charge_point_id, p.identity, t.connector_id, t.connector_number, t.ocpp_id, t.started_at,
        t.last_sample_at, t.meter_start_wh, t.register_wh, t.energy_wh
    FROM transactions_transaction t JOIN seed_point p ON p.id = t.charge_point_id
