// How a query of the page or of an endpoint is put to ClickHouse: read-only, bounded, exact.
#pragma once

#include "base/error.h"
#include "clickhouse/client.h"

#include <map>
#include <string>
#include <string_view>

namespace tidemark::serve {

// ClickHouse's JSONCompact on one line. Integers of 64 bits and more and Decimals come as strings:
// JavaScript's numbers would round them. `limit`: no more rows than this; 0: too many are an error.
// `options`: what is bound to its parameters.
Result<std::string> run_tile_query(clickhouse::Client& client, const std::string& sql, size_t limit = 0,
                                   clickhouse::QueryOptions options = {});

// A status document without its clock, to see whether anything else changed.
std::string without_time(const std::string& status_document);

// Settings that keep JSON exact; added to those of the caller.
void add_exact_json(std::map<std::string, std::string>& settings);

}  // namespace tidemark::serve
