CREATE TABLE IF NOT EXISTS ${projection}.members
(
    member_id String,
    name String,
    email Nullable(String),
    visits UInt64,
    ${row}
)
${replacing}
ORDER BY member_id
${window};
