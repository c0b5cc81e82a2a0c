#include "segments/membership_diff.h"

#include "base/limits.h"
#include "clickhouse/schema.h"

#include <boost/json.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tidemark::segments {

DiffQuery diff_query(CompiledSegments compiled, const std::vector<std::string>& segments, bool by_key) {
  std::vector<std::string> key, now, next;
  for (const auto& column : compiled.key)
    key.push_back(fmt::format("ifNull(toString({}), '')", clickhouse::quote_identifier(column)));
  for (size_t index = 0; index < segments.size(); ++index) {
    now.push_back(fmt::format("toUInt8(member_{})", index));
    next.push_back(fmt::format("ifNull(toUnixTimestamp64Micro(next_change_at_{}), {})", index, never));
  }
  std::string entity =
      key.size() == 1 ? key.front() : fmt::format("toJSONString([{}])", fmt::join(key, ", "));
  std::string asked = fmt::format(
      "SELECT {} AS _entity, [{}] AS _now, arrayMin([{}]) AS _due, toUInt8(1) AS _there FROM ({})", entity,
      fmt::join(now, ", "), fmt::join(next, ", "), compiled.sql);
  // Numbers from 1, as arrays are counted.
  std::string known = fmt::format(
      "SELECT entity AS _known, groupArrayIf(_number, member = 1) AS _in, groupArray(_number) AS _numbers, "
      "groupArray(seq) AS _seqs FROM (SELECT entity, toUInt16(indexOf({{segments:Array(String)}}, "
      "toString(segment))) AS _number, seq, member FROM tidemark.segment_members FINAL WHERE segment IN "
      "{{segments:Array(String)}}{}) GROUP BY entity",
      by_key ? " AND entity IN {entities:Array(String)}" : "");
  DiffQuery query;
  query.sql = fmt::format(
      "SELECT if(_there = 1, _entity, _known) AS entity, if(_there = 1, _due, {0}) AS due, arrayMap(n -> "
      "toUInt16(n - "
      "1), _flips) AS flips, arrayMap(n -> toUInt8(_now[n]), _flips) AS entered, arrayMap(n -> "
      "toUInt64(_seqs[indexOf(_numbers, n)]), _flips) AS previous, _there AS there FROM (SELECT *, "
      "arrayFilter(n -> "
      "(_now[n] = 1) != has(_in, n), arrayMap(n -> toUInt16(n), range(1, {1}))) AS _flips FROM ({2}) AS "
      "asked FULL "
      "JOIN ({3}) AS known ON _entity = _known) WHERE notEmpty(_flips) OR (_there = 1 AND _due < {0})",
      never, segments.size() + 1, asked, known);
  query.compiled = std::move(compiled);
  return query;
}

clickhouse::QueryOptions diff_options(const DiffQuery& query, const std::vector<std::string>& segments,
                                      int64_t as_of, const std::vector<std::string>* entities) {
  std::vector<std::vector<std::string>> keys;
  if (entities != nullptr)
    for (const auto& entity : *entities) keys.push_back(key_of_entity(entity, query.compiled.key.size()));
  clickhouse::QueryOptions options = query_options(query.compiled, as_of, keys);
  options.raw_parameters["segments"] = clickhouse::array_parameter(segments);
  if (entities != nullptr) options.raw_parameters["entities"] = clickhouse::array_parameter(*entities);
  options.settings["max_execution_time"] = std::to_string(0);
  options.timeout = std::chrono::milliseconds(tidemark::limits::model_statement_ms_max);
  return options;
}

std::vector<std::string> key_of_entity(const std::string& entity, size_t columns) {
  std::vector<std::string> texts(columns);
  if (columns == 1) {
    texts[0] = entity;
    return texts;
  }
  boost::system::error_code error;
  boost::json::value list = boost::json::parse(entity, error);
  if (!error && list.is_array())
    for (size_t index = 0; index < std::min(columns, list.get_array().size()); ++index)
      if (const auto* text = list.get_array()[index].if_string()) texts[index] = std::string(*text);
  // What is not one of ours is the name of no entity.
  return texts;
}

}  // namespace tidemark::segments
