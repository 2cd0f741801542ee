-- What was sent was received
-- Each transfer and each captured hold has an event on both accounts, of one amount.

SELECT payer, payee, name, sum(sent) AS sent, sum(received) AS received
FROM (
    SELECT if(type = 'TransferReceived', JSONExtractString(data, 'from_account'), stream) AS payer,
           if(type = 'TransferReceived', stream, JSONExtractString(data, 'to_account')) AS payee,
           JSONExtractString(data, if(type = 'HoldCaptured', 'hold_id', 'transfer_id')) AS name,
           JSONExtract(data, 'amount', 'amount', 'Decimal(18, 2)') AS amount,
           type = 'TransferReceived' ? toDecimal64(0, 2) : amount AS sent,
           type = 'TransferReceived' ? amount : toDecimal64(0, 2) AS received
    FROM events
    WHERE type IN ('TransferSent', 'HoldCaptured', 'TransferReceived') AND position <= {upto:UInt64}
)
GROUP BY payer, payee, name
HAVING sent != received
