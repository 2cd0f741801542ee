-- Stock
-- Products of the catalogue, how many pieces came into the stock, how many are ordered and not cancelled, and what is left.

SELECT sku, name, price, currency, supplied, taken.ordered AS ordered, supplied - ordered AS stock
FROM (SELECT * FROM products FINAL WHERE withdrawn_at IS NULL) AS catalogue
LEFT JOIN (SELECT sku, sum(ordered) AS ordered FROM ordered_pieces GROUP BY sku) AS taken USING sku
ORDER BY sku
