#include "profiles/profile_export.h"

#include "clickhouse/schema.h"
#include "profiles/id_sql.h"

#include <algorithm>
#include <fmt/format.h>

namespace tidemark::profiles {
namespace {

using clickhouse::quote_identifier;
using clickhouse::quote_string;

// The result is text that is put together; numbers keep all their digits.
const std::map<std::string, std::string> json_settings{{"output_format_json_quote_64bit_integers", "0"},
                                                       {"output_format_json_array_of_rows", "1"},
                                                       {"output_format_json_named_tuples_as_objects", "1"}};

Result<std::string> rows_of(clickhouse::Client& client, const std::string& sql, const std::string& profile) {
  clickhouse::QueryOptions options;
  options.settings = json_settings;
  options.parameters = {{"profile", profile}};
  std::string text = TRY(client.query_text(sql + " FORMAT JSONEachRow", options));
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text.empty() ? "[]" : text;
}

}  // namespace

Result<std::string> find_profile(clickhouse::Client& client, const Definition& definition,
                                 const std::string& asked) {
  size_t colon = asked.find(':');
  const IdKind* kind = colon == std::string::npos ? nullptr : definition.kind(asked.substr(0, colon));
  std::string id = quote_string(asked);
  if (kind != nullptr)
    id = fmt::format("concat({}, {})", quote_string(kind->name + ":"),
                     id_value(definition, *kind, quote_string(asked.substr(colon + 1))));
  std::string ids = "bronze." + quote_identifier(definition.slug() + "_ids");
  std::string text = TRY(client.query_text(fmt::format(
      "SELECT profile_id FROM {} FINAL WHERE _deleted = 0 AND (id = {} OR profile_id = {}) LIMIT 1 FORMAT "
      "TabSeparatedRaw",
      ids, id, quote_string(asked))));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

Result<std::vector<ExportPart>> export_parts(clickhouse::Client& client, const Definition& definition,
                                             const std::vector<std::string>& event_tables) {
  std::string slug = definition.slug();
  std::vector<ExportPart> parts;
  if (TRY(clickhouse::table_exists(client, definition.database, definition.table)))
    parts.push_back({"profile", fmt::format("SELECT * FROM {} WHERE profile_id = {{profile:String}}",
                                            clickhouse::quote_table(definition.database, definition.table))});
  parts.push_back(
      {"ids", fmt::format("SELECT kind, value, seen FROM bronze.{} WHERE profile_id = {{profile:String}} "
                          "ORDER BY kind, value",
                          quote_identifier(slug + "_ids__current"))});
  for (const auto& table : event_tables)
    parts.push_back({event_tables.size() == 1 ? "events" : "events of " + table,
                     fmt::format("SELECT * FROM bronze.{} WHERE message_id IN (SELECT message_id FROM "
                                 "bronze.{} WHERE profile_id = "
                                 "{{profile:String}} AND source = {}) ORDER BY timestamp, message_id",
                                 quote_identifier(table + "__current"),
                                 quote_identifier(slug + "_events__current"), quote_string(table))});
  for (const auto& table : definition.tables)
    parts.push_back(
        {"rows of " + table.table,
         fmt::format("SELECT * EXCEPT (profile_id) FROM bronze.{} WHERE profile_id = {{profile:String}} "
                     "ORDER BY row_key",
                     quote_identifier(slug + "_" + table.table + "__current"))});
  if (TRY(clickhouse::table_exists(client, "tidemark", "segment_changes")))
    parts.push_back(
        {"memberships",
         "SELECT segment, version, entered, cause, happened_at FROM tidemark.segment_changes WHERE entity = "
         "{profile:String} ORDER BY seq"});
  return parts;
}

Result<std::string> export_profile(clickhouse::Client& client, const Definition& definition,
                                   const std::string& profile, const std::vector<ExportPart>& parts,
                                   const std::vector<std::string>& only) {
  std::string text = fmt::format("{{\"profiles\":\"{}\",\"profile_id\":\"{}\"", definition.name(), profile);
  for (const auto& part : parts)
    if (only.empty() || std::find(only.begin(), only.end(), part.name) != only.end())
      text += fmt::format(",\n\"{}\":{}", part.name, TRY(rows_of(client, part.sql, profile)));
  return text + "}\n";
}

}  // namespace tidemark::profiles
