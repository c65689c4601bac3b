import("./orders-1a2b3c4d.js").then((orders) => orders.show());
