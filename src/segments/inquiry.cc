#include "segments/inquiry.h"

#include "segments/kept_reason.h"
#include "segments/membership_diff.h"
#include "segments/segment_references.h"

#include <fmt/format.h>

namespace tidemark::segments {
namespace {

namespace json = boost::json;

// One JSON object a line.
Result<std::vector<json::object>> rows_of(clickhouse::Client& client, const std::string& sql,
                                          clickhouse::QueryOptions options) {
  options.settings["date_time_output_format"] = "iso";
  options.settings["output_format_json_quote_64bit_integers"] = "0";
  std::string text = TRY(client.query_text(sql + " FORMAT JSONEachRow", options));
  std::vector<json::object> rows;
  for (size_t from = 0; from < text.size();) {
    size_t end = std::min(text.find('\n', from), text.size());
    if (end > from) {
      boost::system::error_code failure;
      auto value = json::parse(std::string_view(text).substr(from, end - from), failure);
      if (failure || !value.is_object())
        return fail(ErrorKind::corrupt, "the warehouse answered something that is no JSON");
      rows.push_back(value.as_object());
    }
    from = end + 1;
  }
  return rows;
}

std::vector<std::string> key_of(const std::string& entity, size_t columns) {
  if (columns == 1 || entity.starts_with('[')) return key_of_entity(entity, columns);
  std::vector<std::string> key;
  for (size_t from = 0; from <= entity.size();) {
    size_t comma = std::min(entity.find(',', from), entity.size());
    key.push_back(entity.substr(from, comma - from));
    from = comma + 1;
  }
  return key;
}

bool truth(const json::value& value) {
  return value.is_bool()    ? value.as_bool()
         : value.is_int64() ? value.as_int64() != 0
                            : value.is_uint64() && value.as_uint64() != 0;
}

}  // namespace

Result<json::object> explain(clickhouse::Client& client, const Definition& definition,
                             const CompileOptions& given, const std::string& entity, int64_t as_of_us) {
  CompileOptions options = given;
  options.for_keys = options.leaves = true;
  Catalog catalog(client);
  std::vector<Problem> problems;
  CompiledSegments compiled = TRY(compile(catalog, {&definition}, options, problems));
  if (!problems.empty())
    return fail(ErrorKind::config,
                fmt::format("{}: {}", problems.front().where.describe(), problems.front().message),
                problems.front().remedy);
  auto key = key_of(entity, compiled.key.size());
  if (key.size() != compiled.key.size())
    return fail(ErrorKind::usage,
                fmt::format("`{}` has {} parts and a key of {} has {}", entity, key.size(), definition.entity,
                            compiled.key.size()),
                R"(write the columns of the key in their order, as a,b or as ["a","b"])");
  auto rows =
      TRY(rows_of(client, "SELECT * FROM (" + compiled.sql + ")", query_options(compiled, as_of_us, {key})));
  json::object answer{{"segment", definition.name}, {"entity", entity}, {"there", !rows.empty()}};
  std::string asked = why_asked(definition.entity, expanded(definition, options, problems),
                                definition.events.empty() ? options.events : definition.events);
  answer["kept_current"] = asked.empty() ? "from facts in memory" : "by asking the warehouse: " + asked;
  if (rows.empty()) {
    answer["member"] = false;
    return answer;
  }
  json::object& row = rows.front();
  answer["member"] = truth(row["member_0"]);
  answer["next_change_at"] = row["next_change_at_0"];
  json::array leaves;
  for (size_t index = 0; index < compiled.leaves.size(); ++index) {
    boost::system::error_code failure;
    auto condition = json::parse(compiled.leaves[index].text, failure);
    leaves.push_back(
        json::object{{"condition", failure ? json::value(json::string(compiled.leaves[index].text))
                                           : std::move(condition)},
                     {"where", compiled.leaves[index].where.describe()},
                     {"holds", truth(row[fmt::format("leaf_{}", index)])},
                     {"value", row[fmt::format("leaf_value_{}", index)]},
                     {"next_change_at", row[fmt::format("leaf_next_{}", index)]}});
  }
  answer["leaves"] = std::move(leaves);
  return answer;
}

Result<json::array> members(clickhouse::Client& client, const std::string& segment,
                            std::optional<int64_t> at_us, size_t most) {
  clickhouse::QueryOptions options;
  options.parameters = {{"segment", segment}, {"most", std::to_string(most)}};
  std::string sql =
      "SELECT entity, argMax(happened_at, seq) AS entered_at, toString(argMax(cause, seq)) AS cause FROM "
      "tidemark.segment_changes WHERE segment = {segment:String} GROUP BY entity HAVING argMax(entered, seq) "
      "= "
      "1 ORDER BY entity LIMIT {most:UInt64}";
  if (at_us) {
    options.parameters["at"] = std::to_string(*at_us);
    sql =
        "SELECT entity, entered_at, toString(entered_by) AS cause FROM tidemark.segment_intervals WHERE "
        "segment = "
        "{segment:String} AND entered_at <= fromUnixTimestamp64Micro({at:Int64}, 'UTC') AND (exited_at IS "
        "NULL OR "
        "exited_at > fromUnixTimestamp64Micro({at:Int64}, 'UTC')) ORDER BY entity LIMIT {most:UInt64}";
  }
  json::array list;
  for (auto& row : TRY(rows_of(client, sql, options))) list.push_back(std::move(row));
  return list;
}

Result<json::array> history(clickhouse::Client& client, const std::string& segment, const std::string& entity,
                            size_t most) {
  clickhouse::QueryOptions options;
  options.parameters = {{"segment", segment}, {"entity", entity}, {"most", std::to_string(most)}};
  json::array list;
  for (auto& row : TRY(rows_of(
           client,
           "SELECT seq, entity, if(entered = 1, 'entered', 'exited') AS change, toString(cause) AS cause, "
           "happened_at, toString(version) AS version FROM tidemark.segment_changes WHERE segment = "
           "{segment:String} AND ({entity:String} = '' OR entity = {entity:String}) ORDER BY seq DESC LIMIT "
           "{most:UInt64}",
           options)))
    list.push_back(std::move(row));
  return list;
}

Result<json::array> flows(clickhouse::Client& client, const std::string& segment, size_t days) {
  clickhouse::QueryOptions options;
  options.parameters = {{"segment", segment}, {"days", std::to_string(days)}};
  json::array list;
  for (auto& row :
       TRY(rows_of(client,
                   "SELECT toString(toDate(happened_at)) AS day, countIf(changes.entered = 1) AS entered, "
                   "countIf(changes.entered = 0) AS exited FROM tidemark.segment_changes AS changes WHERE "
                   "segment = {segment:String} AND happened_at > "
                   "toStartOfDay(now('UTC')) - toIntervalDay({days:UInt32}) GROUP BY day ORDER BY day",
                   options)))
    list.push_back(std::move(row));
  return list;
}

}  // namespace tidemark::segments
