#include "serve/result_format.h"

#include <algorithm>
#include <charconv>

namespace tidemark::serve {

namespace {

long lines(std::string_view text) {
  return std::count(text.begin(), text.end(), '\n');
}

long lines_below_names(std::string_view text) {
  return std::max(0L, lines(text) - 1);
}

// A quoted value may have line breaks.
long csv_records(std::string_view text) {
  long records = 0;
  bool quoted = false;
  for (char c : text) {
    if (c == '"') quoted = !quoted;
    if (c == '\n' && !quoted) ++records;
  }
  return std::max(0L, records - 1);
}

// ClickHouse's JSON says it after the data: "rows": 3.
long json_rows(std::string_view text) {
  constexpr std::string_view key = "\"rows\": ";
  size_t at = text.rfind(key);
  if (at == std::string_view::npos) return -1;
  long rows = -1;
  std::string_view digits = text.substr(at + key.size());
  std::from_chars(digits.data(), digits.data() + digits.size(), rows);
  return rows;
}

long unseen(std::string_view) {
  return -1;
}

constexpr ResultFormat formats[] = {
    {"json", "JSON", "application/json", json_rows},
    {"jsonl", "JSONEachRow", "application/jsonl", lines},
    {"csv", "CSVWithNames", "text/csv; charset=utf-8", csv_records},
    {"tsv", "TSVWithNames", "text/tab-separated-values; charset=utf-8", lines_below_names},
    {"parquet", "Parquet", "application/vnd.apache.parquet", unseen},
    {"arrow", "ArrowStream", "application/vnd.apache.arrow.stream", unseen}};

}  // namespace

const ResultFormat* find_format(std::string_view name) {
  for (const ResultFormat& format : formats)
    if (format.name == name) return &format;
  return nullptr;
}

std::string format_names() {
  std::string names;
  for (const ResultFormat& format : formats) names.append(names.empty() ? "" : ", ").append(format.name);
  return names;
}

std::vector<std::string_view> format_list() {
  std::vector<std::string_view> list;
  for (const ResultFormat& format : formats) list.push_back(format.name);
  return list;
}

}  // namespace tidemark::serve
