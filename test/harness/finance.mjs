// What the tests of the finance pack share.
import { assert_pack_equal, expected_models } from './pack.mjs';

export const tables = ['raw_transactions', 'raw_accounts', 'raw_merchants', 'raw_fx_rates', 'raw_ip_geo'];

// Everything, by value; the database must be quiet. Returns the number of rows compared.
export const assert_finance_equal = (world, phase) => assert_pack_equal(world, phase, tables, expected_models('finance'));
