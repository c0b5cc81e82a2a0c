#include "segments/manual_lists.h"

#include <fmt/format.h>

namespace tidemark::segments {
namespace {

std::string json_list(const std::vector<std::string>& texts) {
  std::string list = "[";
  for (const std::string& text : texts) {
    if (list.size() > 1) list += ",";
    list += '"';
    for (char character : text) {
      if (character == '"' || character == '\\') list.push_back('\\');
      list.push_back(character);
    }
    list += '"';
  }
  return list + "]";
}

}  // namespace

std::string manual_list_query(const std::string& list) {
  return fmt::format("SELECT key FROM {} FINAL WHERE list = {} AND removed = 0", manual_list_table, list);
}

Status ManualLists::create() {
  TRY_VOID(client_.execute("CREATE DATABASE IF NOT EXISTS tidemark"));
  return client_.execute(fmt::format(
      "CREATE TABLE IF NOT EXISTS {} (list String, key String, removed UInt8, version UInt64 DEFAULT "
      "toUInt64(toUnixTimestamp64Nano(now64(9))), changed_at DateTime64(3, 'UTC') DEFAULT now64(3)) ENGINE = "
      "ReplacingMergeTree(version) ORDER BY (list, key)",
      manual_list_table));
}

Status ManualLists::write(const std::string& list, const std::vector<std::string>& keys, bool removed) {
  if (keys.empty()) return {};
  clickhouse::QueryOptions options;
  options.parameters = {{"list", list}, {"removed", removed ? "1" : "0"}};
  options.raw_parameters = {{"keys", clickhouse::array_parameter(keys)}};
  return client_.execute(fmt::format("INSERT INTO {} (list, key, removed) SELECT {{list:String}}, "
                                     "arrayJoin({{keys:Array(String)}}), {{removed:UInt8}}",
                                     manual_list_table),
                         options);
}

Status ManualLists::append(const std::string& list, const std::vector<std::string>& keys) {
  return write(list, keys, false);
}

Status ManualLists::remove(const std::string& list, const std::vector<std::string>& keys) {
  return write(list, keys, true);
}

Status ManualLists::replace(const std::string& list, const std::vector<std::string>& keys) {
  clickhouse::QueryOptions options;
  options.parameters = {{"list", list}};
  options.raw_parameters = {{"keys", clickhouse::array_parameter(keys)}};
  return client_.execute(
      fmt::format("INSERT INTO {0} (list, key, removed) SELECT {{list:String}}, key, min(gone) FROM (SELECT "
                  "key, 1 AS gone "
                  "FROM ({1}) UNION ALL SELECT arrayJoin({{keys:Array(String)}}), 0) GROUP BY key",
                  manual_list_table, manual_list_query("{list:String}")),
      options);
}

Result<std::vector<std::string>> ManualLists::keys(const std::string& list) {
  clickhouse::QueryOptions options;
  options.parameters = {{"list", list}};
  Block found = TRY(client_.query(manual_list_query("{list:String}") + " ORDER BY key", options));
  std::vector<std::string> keys;
  for (size_t row = 0; row < found.rows(); ++row) keys.emplace_back(found.columns[0].text(row));
  return keys;
}

Result<std::vector<std::string>> keys_of_csv(std::string_view text, size_t columns, bool header) {
  std::vector<std::string> keys, fields;
  std::string field;
  bool quoted = false, any = false;
  size_t line = 1;
  auto end_line = [&]() -> Status {
    if (any || !field.empty() || !fields.empty()) {
      fields.push_back(field);
      if (fields.size() < columns)
        return fail(ErrorKind::usage, fmt::format("line {} has {} fields and a key has {} columns", line,
                                                  fields.size(), columns));
      fields.resize(columns);
      if (!(header && line == 1)) keys.push_back(columns == 1 ? fields.front() : json_list(fields));
    }
    fields.clear();
    field.clear();
    any = false;
    ++line;
    return {};
  };
  for (size_t index = 0; index < text.size(); ++index) {
    char character = text[index];
    if (quoted) {
      if (character == '"' && index + 1 < text.size() && text[index + 1] == '"')
        field.push_back(text[++index]);
      else if (character == '"')
        quoted = false;
      else
        field.push_back(character);
    } else if (character == '"' && field.empty()) {
      quoted = any = true;
    } else if (character == ',') {
      fields.push_back(std::move(field));
      field.clear();
    } else if (character == '\n') {
      TRY_VOID(end_line());
    } else if (character != '\r') {
      field.push_back(character);
    }
  }
  if (quoted) return fail(ErrorKind::usage, fmt::format("a quote in line {} does not end", line));
  TRY_VOID(end_line());
  return keys;
}

}  // namespace tidemark::segments
