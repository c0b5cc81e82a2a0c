// The formats in which results of queries are given out, by the name that `format=` takes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tidemark::serve {

struct ResultFormat {
  std::string_view name;   // "parquet"
  const char* clickhouse;  // "Parquet"
  const char* content_type;
  // How many rows a text of it has; -1: not seen without reading it (Parquet, Arrow).
  long (*rows)(std::string_view text);
};

// Null: there is none of that name.
const ResultFormat* find_format(std::string_view name);
// "json, jsonl, ...".
std::string format_names();
std::vector<std::string_view> format_list();

}  // namespace tidemark::serve
