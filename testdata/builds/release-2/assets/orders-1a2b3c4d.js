export const show = () => (document.body.textContent = "orders");
