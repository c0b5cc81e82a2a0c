-- kind: view
-- description: bronze: places of IP addresses as they are in the source
SELECT ip, country, city, is_proxy_or_vpn
FROM bronze.raw_ip_geo
