alter table "Shipment" drop column "delivered";
