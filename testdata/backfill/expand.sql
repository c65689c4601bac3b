create type "ShipmentStatus" as enum ('InTransit', 'Delivered');
alter table "Shipment" add column "status" "ShipmentStatus";
