#include "segments/membership_diff.h"

#include "base/limits.h"
#include "clickhouse/schema.h"
#include "segments/key_filter.h"

#include <algorithm>
#include <boost/json.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <functional>

namespace tidemark::segments {

namespace {

// Segments are bits of such words, the first the lowest of the first.
constexpr size_t bits = 64;

// Expressions over the bits in which two words differ, of all words: `each` is made of a word's number, its
// first segment's number, and those bits' numbers.
std::string over_flips(size_t words, const std::function<std::string(size_t, size_t, std::string)>& each) {
  std::vector<std::string> parts;
  for (size_t word = 0; word < words; ++word)
    parts.push_back(
        each(word, word * bits, fmt::format("bitPositionsToArray(bitXor(_now{0}, _in{0}))", word)));
  return parts.size() == 1 ? parts.front() : fmt::format("arrayConcat({})", fmt::join(parts, ", "));
}

}  // namespace

DiffQuery diff_query(CompiledSegments compiled, const std::vector<std::string>& segments, bool by_key) {
  const size_t words = (segments.size() + bits - 1) / bits;
  std::vector<std::string> key, now, was, next;
  for (const auto& column : compiled.key)
    key.push_back(fmt::format("ifNull(toString({}), '')", clickhouse::quote_identifier(column)));
  for (size_t word = 0; word < words; ++word) {
    std::vector<std::string> set;
    for (size_t index = word * bits; index < std::min(segments.size(), (word + 1) * bits); ++index)
      set.push_back(fmt::format("bitShiftLeft(toUInt64(member_{} != 0), {})", index, index % bits));
    now.push_back(fmt::format("{} AS _now{}", fmt::join(set, " + "), word));
    was.push_back(
        fmt::format("groupBitOrIf(bitShiftLeft(toUInt64(1), _number % {0}), member = 1 AND intDiv(_number, "
                    "{0}) = {1}) AS "
                    "_in{1}",
                    bits, word));
  }
  for (size_t index = 0; index < segments.size(); ++index)
    next.push_back(fmt::format("ifNull(toUnixTimestamp64Micro(next_change_at_{}), {})", index, never));
  std::string entity =
      key.size() == 1 ? key.front() : fmt::format("toJSONString([{}])", fmt::join(key, ", "));
  std::string asked =
      fmt::format("SELECT {} AS _entity, {}, arrayMin([{}]) AS _due, toUInt8(1) AS _there FROM ({})", entity,
                  fmt::join(now, ", "), fmt::join(next, ", "), compiled.sql);
  std::string which;
  if (by_key) which = " AND entity IN {entities:Array(String)}";
  if (!compiled.range_type.empty()) which = " AND " + KeyFilter::text_in_range("entity", compiled.range_type);
  // transform() looks a name up once, where indexOf() walks through all of them for every row.
  std::string known = fmt::format(
      "SELECT entity AS _known, {}, groupArray(_number) AS _numbers, groupArray(seq) AS _seqs FROM (SELECT "
      "entity, toUInt16(transform(toString(segment), {{segments:Array(String)}}, "
      "range(length({{segments:Array(String)}})), 0)) AS _number, seq, member FROM tidemark.segment_members "
      "FINAL WHERE segment IN {{segments:Array(String)}}{}) GROUP BY entity",
      fmt::join(was, ", "), which);
  std::string flips = over_flips(words, [](size_t, size_t first, const std::string& set) {
    return fmt::format("arrayMap(n -> toUInt16(n + {}), {})", first, set);
  });
  std::string entered = over_flips(words, [](size_t word, size_t, const std::string& set) {
    return fmt::format("arrayMap(n -> bitTest(_now{}, n), {})", word, set);
  });
  DiffQuery query;
  query.sql = fmt::format(
      "SELECT if(_there = 1, _entity, _known) AS entity, if(_there = 1, _due, {0}) AS due, {1} AS flips, {2} "
      "AS entered, arrayMap(n -> toUInt64(_seqs[indexOf(_numbers, n)]), flips) AS previous, _there AS there "
      "FROM (SELECT * FROM ({3}) AS asked FULL JOIN ({4}) AS known ON _entity = _known) WHERE "
      "notEmpty(flips) "
      "OR (_there = 1 AND _due < {0})",
      never, flips, entered, asked, known);
  query.compiled = std::move(compiled);
  return query;
}

clickhouse::QueryOptions diff_options(const DiffQuery& query, const std::vector<std::string>& segments,
                                      int64_t as_of, const std::vector<std::string>* entities,
                                      const KeyRange& range) {
  std::vector<std::vector<std::string>> keys;
  if (entities != nullptr)
    for (const auto& entity : *entities) keys.push_back(key_of_entity(entity, query.compiled.key.size()));
  clickhouse::QueryOptions options = query_options(query.compiled, as_of, keys);
  options.raw_parameters["segments"] = clickhouse::array_parameter(segments);
  if (const std::string& type = query.compiled.range_type; !type.empty()) {
    // A bound that is not there has to be readable as one nevertheless.
    std::string none = type == "String" ? "" : type == "UUID" ? "00000000-0000-0000-0000-000000000000" : "0";
    options.parameters["from_first"] = range.after ? "0" : "1";
    options.parameters["to_last"] = range.upto ? "0" : "1";
    options.parameters["after"] = range.after.value_or(none);
    options.parameters["upto"] = range.upto.value_or(none);
  }
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
