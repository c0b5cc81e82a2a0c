-- description: suspicious accounts and why, worst first
-- param min_score UInt8 default=50 min=50 max=100 "Lowest score"
SELECT account_id, user_name, country, date, risk_score, reasons, num_txn, daily_volume
FROM reporting.suspicious_accounts
WHERE risk_score >= {min_score:UInt8}
ORDER BY risk_score DESC, daily_volume DESC NULLS LAST, account_id
