#include "serve/tile_query.h"

#include "base/limits.h"

namespace tidemark::serve {

void add_exact_json(std::map<std::string, std::string>& settings) {
  settings["output_format_json_quote_64bit_integers"] = "1";
  settings["output_format_json_quote_decimals"] = "1";
  settings["output_format_json_quote_denormals"] = "0";  // NaN and infinity as null: "no value"
  settings["output_format_write_statistics"] = "0";      // they differ on every run
}

Result<std::string> run_tile_query(clickhouse::Client& client, const std::string& sql, size_t limit,
                                   clickhouse::QueryOptions options) {
  add_exact_json(options.settings);
  options.settings["max_execution_time"] = std::to_string(limits::tile_query_seconds_max);
  options.settings["max_result_rows"] = std::to_string(limits::tile_result_rows_max);
  options.settings["max_result_bytes"] = std::to_string(limits::tile_result_bytes_max);
  options.settings["result_overflow_mode"] = "throw";  // a cut-off result would be a wrong number
  options.settings["max_threads"] = "2";
  if (limit > 0) options.settings["limit"] = std::to_string(limit);
  options.timeout = std::chrono::seconds(limits::tile_query_seconds_max + 2);
  // On a line of its own: the query may end in a comment.
  std::string text = TRY(client.query_text(sql + "\nFORMAT JSONCompact", options));
  // Inside JSON strings these two are escaped, so outside they are layout only.
  std::erase_if(text, [](char character) { return character == '\n' || character == '\t'; });
  return text;
}

std::string without_time(const std::string& status_document) {
  const size_t begin = status_document.find("\"time_ms\":");
  if (begin == std::string::npos) return status_document;
  const size_t end = status_document.find(',', begin);
  std::string result = status_document;
  return end == std::string::npos ? result : result.erase(begin, end - begin);
}

}  // namespace tidemark::serve
