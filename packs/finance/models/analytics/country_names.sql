-- kind: view
-- description: spellings of countries, upper case, and their ISO 3166-1 alpha-2 codes; a code is a spelling of itself
-- audit: unique(spelling)
SELECT
    tupleElement(pair, 1) AS spelling,
    toNullable(tupleElement(pair, 2)) AS iso
FROM
(
    SELECT arrayJoin(arrayConcat(
        arrayMap(code -> (code, code), [
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
            'VN', 'VU', 'WF', 'WS', 'YE', 'YT', 'ZA', 'ZM', 'ZW']),
        [
            ('GERMANY', 'DE'), ('DEU', 'DE'), ('DEUTSCHLAND', 'DE'), ('FRANCE', 'FR'), ('FRA', 'FR'),
            ('SPAIN', 'ES'), ('ESP', 'ES'), ('ESPANA', 'ES'), ('ITALY', 'IT'), ('ITA', 'IT'),
            ('ITALIA', 'IT'), ('NETHERLANDS', 'NL'), ('THE NETHERLANDS', 'NL'), ('NLD', 'NL'),
            ('HOLLAND', 'NL'), ('BELGIUM', 'BE'), ('BEL', 'BE'), ('AUSTRIA', 'AT'), ('AUT', 'AT'),
            ('IRELAND', 'IE'), ('IRL', 'IE'), ('PORTUGAL', 'PT'), ('PRT', 'PT'), ('FINLAND', 'FI'),
            ('FIN', 'FI'), ('UNITED KINGDOM', 'GB'), ('GREAT BRITAIN', 'GB'), ('UK', 'GB'), ('GBR', 'GB'),
            ('UNITED STATES', 'US'), ('UNITED STATES OF AMERICA', 'US'), ('USA', 'US'), ('CANADA', 'CA'),
            ('CAN', 'CA'), ('SWITZERLAND', 'CH'), ('CHE', 'CH'), ('SWEDEN', 'SE'), ('SWE', 'SE'),
            ('NORWAY', 'NO'), ('NOR', 'NO'), ('DENMARK', 'DK'), ('DNK', 'DK'), ('POLAND', 'PL'),
            ('POL', 'PL'), ('CZECH REPUBLIC', 'CZ'), ('CZECHIA', 'CZ'), ('CZE', 'CZ'), ('JAPAN', 'JP'),
            ('JPN', 'JP'), ('AUSTRALIA', 'AU'), ('AUS', 'AU'), ('BRAZIL', 'BR'), ('BRA', 'BR'),
            ('INDIA', 'IN'), ('IND', 'IN'), ('SINGAPORE', 'SG'), ('SGP', 'SG'), ('SOUTH AFRICA', 'ZA'),
            ('ZAF', 'ZA'), ('MEXICO', 'MX'), ('MEX', 'MX'), ('NIGERIA', 'NG'), ('NGA', 'NG'),
            ('RUSSIA', 'RU'), ('RUSSIAN FEDERATION', 'RU'), ('RUS', 'RU'), ('CHINA', 'CN'), ('CHN', 'CN'),
            ('TURKEY', 'TR'), ('TURKIYE', 'TR'), ('TUR', 'TR'), ('ROMANIA', 'RO'), ('ROU', 'RO'),
            ('GREECE', 'GR'), ('GRC', 'GR'), ('HUNGARY', 'HU'), ('HUN', 'HU'), ('UKRAINE', 'UA'),
            ('UKR', 'UA')]
    )) AS pair
)
