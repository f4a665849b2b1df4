-- What operators ordered, each order once, with who and why; rows are only ever added. What counts now stands in
-- promotions, blocks and details.
CREATE TABLE orders (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    customer    TEXT    NOT NULL,
    destination TEXT    NOT NULL,
    kind        TEXT    NOT NULL,                -- grant, revoke, block, unblock, describe, forget
    subject     TEXT    NOT NULL,                -- the level, or the names of details
    promotion   INTEGER,                         -- of a grant
    who         TEXT    NOT NULL,
    why         TEXT    NOT NULL,
    ordered_at  INTEGER NOT NULL
);

CREATE INDEX orders_customer ON orders (customer, id);

-- What was ordered before, as far as it is still known.
INSERT INTO orders (customer, destination, kind, subject, promotion, who, why, ordered_at)
SELECT customer, destination, kind, subject, promotion, who, why, ordered_at FROM (
    SELECT customer, destination, 'grant' AS kind, level AS subject, id AS promotion, who, why, given_at AS ordered_at
    FROM promotions
    UNION ALL
    SELECT DISTINCT customer, destination, 'revoke', level, CAST(NULL AS BIGINT), ended_by, coalesce(ended_why, ''),
        ended_at
    FROM promotions WHERE ended_at IS NOT NULL
    UNION ALL
    SELECT customer, destination, 'block', level, NULL, who, why, since FROM blocks
    UNION ALL
    SELECT customer, destination, 'describe', name, NULL, who, '', since FROM details
) AS before
ORDER BY ordered_at;
