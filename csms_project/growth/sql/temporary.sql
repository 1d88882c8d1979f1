-- u(n, salt): a number from 0 to 1 that looks random and is the same each time; pick(list, x): an item by such a number.
CREATE OR REPLACE FUNCTION pg_temp.u(n bigint, salt integer) RETURNS double precision LANGUAGE sql IMMUTABLE AS
    $$ SELECT (hashint8extended(n, salt) & 1073741823) / 1073741824.0::double precision $$;
CREATE OR REPLACE FUNCTION pg_temp.pick(list text[], x double precision) RETURNS text LANGUAGE sql IMMUTABLE AS
    $$ SELECT list[1 + floor(x * array_length(list, 1))::integer] $$;
-- Chargers and tags, numbered, to be joined by a number that was drawn.
CREATE TEMPORARY TABLE seed_tag ON COMMIT DROP AS
    SELECT i.tenant_id, row_number() OVER (PARTITION BY i.tenant_id ORDER BY i.id) - 1 AS n, i.id, i.value
    FROM accounts_idtoken i JOIN accounts_tenant t ON t.id = i.tenant_id WHERE t.slug LIKE %(slug)s;
CREATE TEMPORARY TABLE seed_point ON COMMIT DROP AS
    SELECT row_number() OVER (ORDER BY p.id) - 1 AS n, p.id, p.tenant_id, p.identity,
        array_agg(c.id ORDER BY c.ocpp_number) AS connectors, array_agg(c.evse_id ORDER BY c.ocpp_number) AS evses,
        (SELECT count(*) FROM seed_tag WHERE tenant_id = p.tenant_id) AS tags
    FROM chargepoints_chargepoint p JOIN accounts_tenant t ON t.id = p.tenant_id
    JOIN chargepoints_connector c ON c.charge_point_id = p.id WHERE t.slug LIKE %(slug)s GROUP BY p.id;
CREATE UNIQUE INDEX ON seed_point (n);
CREATE UNIQUE INDEX ON seed_tag (tenant_id, n);
-- Moments of the year at some charger.
CREATE TEMPORARY TABLE seed_moment ON COMMIT DROP AS
    SELECT g, p.id, p.tenant_id, p.identity, %(now)s - %(year)s * pg_temp.u(g, 81) AS moment
    FROM (SELECT count(*) AS points FROM seed_point) AS c CROSS JOIN generate_series(1, 200 * points) AS g
    JOIN seed_point p ON p.n = floor(points * power(pg_temp.u(g, 82), 1.7))::bigint * 1000003 %% points;
ANALYZE seed_point;
ANALYZE seed_tag;
ANALYZE seed_moment
