-- kind: view
-- description: where an IP address is; Nullable, so that an unknown address joins as NULL and not as an empty text
SELECT
    ip,
    toNullable(country) AS country,
    toNullable(city) AS city,
    toNullable(is_proxy_or_vpn) AS is_proxy
FROM bronze.raw_ip_geo
