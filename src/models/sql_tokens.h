// The tokens of ClickHouse SQL (clickhouse/sql_tokens.h) under the names the compiler uses: models are read
// by them here, statements for a cluster are sorted by them there.
#pragma once

#include "clickhouse/sql_tokens.h"

namespace tidemark::models {

using clickhouse::match_brackets;
using clickhouse::normalise;
using clickhouse::position_of;
using clickhouse::TextPosition;
using clickhouse::Token;
using clickhouse::tokenize;
using clickhouse::TokenKind;

}  // namespace tidemark::models
