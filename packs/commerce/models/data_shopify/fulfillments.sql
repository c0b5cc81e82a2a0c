-- kind: view
-- description: parcels of orders, as their orders say now
-- owner: data
-- audit: not_null(id), unique(order_id, id)
SELECT
    parcel.id AS id, placed.id AS order_id, parcel.status AS status, parcel.shipment_status AS shipment_status, parcel.service AS service, parcel.location_id AS location_id,
    parcel.tracking_company AS tracking_company, parcel.tracking_number AS tracking_number,
    parseDateTime64BestEffortOrNull(parcel.created_at, 6, 'UTC') AS created_at, parseDateTime64BestEffortOrNull(parcel.updated_at, 6, 'UTC') AS updated_at
FROM data_shopify.orders AS placed
ARRAY JOIN fulfillments AS parcel
