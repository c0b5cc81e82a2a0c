-- kind: view
-- description: merchants, with the country as an ISO 3166-1 alpha-2 code; NULL when nobody knows the spelling: add it to the list
-- audit: unique(merchant_id)
-- audit: not_null(country_normalized)
-- audit: accepted_values(risk_rating, 1, 2, 3, 4, 5)
SELECT
    merchant_id,
    merchant_name,
    merchant_category,
    country,
    nullIf(transform(
        upperUTF8(trimBoth(country)),
        [
            'AD', 'AE', 'AF', 'AG', 'AI', 'AL', 'AM', 'AO', 'AQ', 'AR', 'AS', 'AT', 'AU', 'AW', 'AX', 'AZ',
            'BA', 'BB', 'BD', 'BE', 'BF', 'BG', 'BH', 'BI', 'BJ', 'BL', 'BM', 'BN', 'BO', 'BQ', 'BR', 'BS',
            'BT', 'BV', 'BW', 'BY', 'BZ', 'CA', 'CC', 'CD', 'CF', 'CG', 'CH', 'CI', 'CK', 'CL', 'CM', 'CN',
            'CO', 'CR', 'CU', 'CV', 'CW', 'CX', 'CY', 'CZ', 'DE', 'DJ', 'DK', 'DM', 'DO', 'DZ', 'EC', 'EE',
            'EG', 'EH', 'ER', 'ES', 'ET', 'FI', 'FJ', 'FK', 'FM', 'FO', 'FR', 'GA', 'GB', 'GD', 'GE', 'GF',
            'GG', 'GH', 'GI', 'GL', 'GM', 'GN', 'GP', 'GQ', 'GR', 'GS', 'GT', 'GU', 'GW', 'GY', 'HK', 'HM',
            'HN', 'HR', 'HT', 'HU', 'ID', 'IE', 'IL', 'IM', 'IN', 'IO', 'IQ', 'IR', 'IS', 'IT', 'JE', 'JM',
            'JO', 'JP', 'KE', 'KG', 'KH', 'KI', 'KM', 'KN', 'KP', 'KR', 'KW', 'KY', 'KZ', 'LA', 'LB', 'LC',
            'LI', 'LK', 'LR', 'LS', 'LT', 'LU', 'LV', 'LY', 'MA', 'MC', 'MD', 'ME', 'MF', 'MG', 'MH', 'MK',
            'ML', 'MM', 'MN', 'MO', 'MP', 'MQ', 'MR', 'MS', 'MT', 'MU', 'MV', 'MW', 'MX', 'MY', 'MZ', 'NA',
            'NC', 'NE', 'NF', 'NG', 'NI', 'NL', 'NO', 'NP', 'NR', 'NU', 'NZ', 'OM', 'PA', 'PE', 'PF', 'PG',
            'PH', 'PK', 'PL', 'PM', 'PN', 'PR', 'PS', 'PT', 'PW', 'PY', 'QA', 'RE', 'RO', 'RS', 'RU', 'RW',
            'SA', 'SB', 'SC', 'SD', 'SE', 'SG', 'SH', 'SI', 'SJ', 'SK', 'SL', 'SM', 'SN', 'SO', 'SR', 'SS',
            'ST', 'SV', 'SX', 'SY', 'SZ', 'TC', 'TD', 'TF', 'TG', 'TH', 'TJ', 'TK', 'TL', 'TM', 'TN', 'TO',
            'TR', 'TT', 'TV', 'TW', 'TZ', 'UA', 'UG', 'UM', 'US', 'UY', 'UZ', 'VA', 'VC', 'VE', 'VG', 'VI',
            'VN', 'VU', 'WF', 'WS', 'YE', 'YT', 'ZA', 'ZM', 'ZW',
            'GERMANY', 'DEU', 'DEUTSCHLAND', 'FRANCE', 'FRA', 'SPAIN', 'ESP', 'ESPANA', 'ITALY', 'ITA',
            'ITALIA', 'NETHERLANDS', 'THE NETHERLANDS', 'NLD', 'HOLLAND', 'BELGIUM', 'BEL', 'AUSTRIA', 'AUT',
            'IRELAND', 'IRL', 'PORTUGAL', 'PRT', 'FINLAND', 'FIN', 'UNITED KINGDOM', 'GREAT BRITAIN', 'UK',
            'GBR', 'UNITED STATES', 'UNITED STATES OF AMERICA', 'USA', 'CANADA', 'CAN', 'SWITZERLAND', 'CHE',
            'SWEDEN', 'SWE', 'NORWAY', 'NOR', 'DENMARK', 'DNK', 'POLAND', 'POL', 'CZECH REPUBLIC', 'CZECHIA',
            'CZE', 'JAPAN', 'JPN', 'AUSTRALIA', 'AUS', 'BRAZIL', 'BRA', 'INDIA', 'IND', 'SINGAPORE', 'SGP',
            'SOUTH AFRICA', 'ZAF', 'MEXICO', 'MEX', 'NIGERIA', 'NGA', 'RUSSIA', 'RUSSIAN FEDERATION', 'RUS',
            'CHINA', 'CHN', 'TURKEY', 'TURKIYE', 'TUR', 'ROMANIA', 'ROU', 'GREECE', 'GRC', 'HUNGARY', 'HUN',
            'UKRAINE', 'UKR'
        ],
        [
            'AD', 'AE', 'AF', 'AG', 'AI', 'AL', 'AM', 'AO', 'AQ', 'AR', 'AS', 'AT', 'AU', 'AW', 'AX', 'AZ',
            'BA', 'BB', 'BD', 'BE', 'BF', 'BG', 'BH', 'BI', 'BJ', 'BL', 'BM', 'BN', 'BO', 'BQ', 'BR', 'BS',
            'BT', 'BV', 'BW', 'BY', 'BZ', 'CA', 'CC', 'CD', 'CF', 'CG', 'CH', 'CI', 'CK', 'CL', 'CM', 'CN',
            'CO', 'CR', 'CU', 'CV', 'CW', 'CX', 'CY', 'CZ', 'DE', 'DJ', 'DK', 'DM', 'DO', 'DZ', 'EC', 'EE',
            'EG', 'EH', 'ER', 'ES', 'ET', 'FI', 'FJ', 'FK', 'FM', 'FO', 'FR', 'GA', 'GB', 'GD', 'GE', 'GF',
            'GG', 'GH', 'GI', 'GL', 'GM', 'GN', 'GP', 'GQ', 'GR', 'GS', 'GT', 'GU', 'GW', 'GY', 'HK', 'HM',
            'HN', 'HR', 'HT', 'HU', 'ID', 'IE', 'IL', 'IM', 'IN', 'IO', 'IQ', 'IR', 'IS', 'IT', 'JE', 'JM',
            'JO', 'JP', 'KE', 'KG', 'KH', 'KI', 'KM', 'KN', 'KP', 'KR', 'KW', 'KY', 'KZ', 'LA', 'LB', 'LC',
            'LI', 'LK', 'LR', 'LS', 'LT', 'LU', 'LV', 'LY', 'MA', 'MC', 'MD', 'ME', 'MF', 'MG', 'MH', 'MK',
            'ML', 'MM', 'MN', 'MO', 'MP', 'MQ', 'MR', 'MS', 'MT', 'MU', 'MV', 'MW', 'MX', 'MY', 'MZ', 'NA',
            'NC', 'NE', 'NF', 'NG', 'NI', 'NL', 'NO', 'NP', 'NR', 'NU', 'NZ', 'OM', 'PA', 'PE', 'PF', 'PG',
            'PH', 'PK', 'PL', 'PM', 'PN', 'PR', 'PS', 'PT', 'PW', 'PY', 'QA', 'RE', 'RO', 'RS', 'RU', 'RW',
            'SA', 'SB', 'SC', 'SD', 'SE', 'SG', 'SH', 'SI', 'SJ', 'SK', 'SL', 'SM', 'SN', 'SO', 'SR', 'SS',
            'ST', 'SV', 'SX', 'SY', 'SZ', 'TC', 'TD', 'TF', 'TG', 'TH', 'TJ', 'TK', 'TL', 'TM', 'TN', 'TO',
            'TR', 'TT', 'TV', 'TW', 'TZ', 'UA', 'UG', 'UM', 'US', 'UY', 'UZ', 'VA', 'VC', 'VE', 'VG', 'VI',
            'VN', 'VU', 'WF', 'WS', 'YE', 'YT', 'ZA', 'ZM', 'ZW',
            'DE', 'DE', 'DE', 'FR', 'FR', 'ES', 'ES', 'ES', 'IT', 'IT', 'IT', 'NL', 'NL', 'NL', 'NL', 'BE',
            'BE', 'AT', 'AT', 'IE', 'IE', 'PT', 'PT', 'FI', 'FI', 'GB', 'GB', 'GB', 'GB', 'US', 'US', 'US',
            'CA', 'CA', 'CH', 'CH', 'SE', 'SE', 'NO', 'NO', 'DK', 'DK', 'PL', 'PL', 'CZ', 'CZ', 'CZ', 'JP',
            'JP', 'AU', 'AU', 'BR', 'BR', 'IN', 'IN', 'SG', 'SG', 'ZA', 'ZA', 'MX', 'MX', 'NG', 'NG', 'RU',
            'RU', 'RU', 'CN', 'CN', 'TR', 'TR', 'TR', 'RO', 'RO', 'GR', 'GR', 'HU', 'HU', 'UA', 'UA'
        ],
        ''), '') AS country_normalized,
    risk_rating
FROM bronze.raw_merchants
