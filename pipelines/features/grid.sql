-- Remaining arrests per cell of 1,000 feet.
SELECT
    CAST(floor(x / 1000) AS INTEGER) AS cell_x,
    CAST(floor(y / 1000) AS INTEGER) AS cell_y,
    count(*) AS arrests
FROM arrests
GROUP BY CAST(floor(x / 1000) AS INTEGER), CAST(floor(y / 1000) AS INTEGER)
