#include "segments/preview.h"

#include "clickhouse/schema.h"
#include "segments/segment_limits.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tidemark::segments {
namespace {

std::string key_text(const std::vector<std::string>& key) {
  std::vector<std::string> texts;
  for (const auto& column : key)
    texts.push_back(fmt::format("ifNull(toString({}), '')", clickhouse::quote_identifier(column)));
  return texts.size() == 1 ? texts.front() : fmt::format("toJSONString([{}])", fmt::join(texts, ", "));
}

std::vector<std::string> texts_of(const Column& column) {
  std::vector<std::string> texts;
  for (size_t index = column.array_begin(0); index < column.array_end(0); ++index)
    texts.emplace_back(column.element().text(index));
  return texts;
}

}  // namespace

Result<Preview> preview(clickhouse::Client& client, const Definition& definition, const Definition* present,
                        const CompileOptions& options, int64_t as_of_us, size_t sample) {
  sample = std::clamp(sample, size_t{1}, limits::sample_max);
  if (present != nullptr && group_of(*present, options) != group_of(definition, options))
    return fail(
        ErrorKind::unsupported,
        fmt::format(
            "`{}` would look at other entities, events or days than now, so members cannot be compared",
            definition.name),
        "Give it another name, and compare the two sizes.");
  Catalog catalog(client);
  std::vector<Problem> problems;
  std::vector<const Definition*> definitions = {&definition};
  if (present != nullptr) definitions.push_back(present);
  CompiledSegments compiled = TRY(compile(catalog, definitions, options, problems));
  if (!problems.empty()) {
    std::vector<config::Diagnostic> told;
    for (Problem& problem : problems)
      told.push_back({problem.where, std::move(problem.message), std::move(problem.remedy), {}});
    return fail(ErrorKind::config, config::render(told));
  }
  std::string before = present == nullptr ? "0" : "member_1";
  auto keys = [&](const std::string& condition) {
    return fmt::format("groupArraySortedIf({})(_key, {})", sample, condition);
  };
  std::string enters = fmt::format("member_0 AND NOT {}", before),
              leaves = fmt::format("NOT member_0 AND {}", before);
  Block block = TRY(client.query(fmt::format("SELECT count(), countIf(member_0), countIf({}), countIf({}), "
                                             "ifNull(toUnixTimestamp64Micro(min(next_change_at_0)), "
                                             "toInt64(0)), {}, {}, {} FROM (SELECT *, {} AS _key "
                                             "FROM ({}))",
                                             enters, leaves, keys("member_0"), keys(enters), keys(leaves),
                                             key_text(compiled.key), compiled.sql),
                                 [&] {
                                   auto query = query_options(compiled, as_of_us);
                                   query.timeout = std::chrono::milliseconds(600'000);
                                   return query;
                                 }()));
  Preview result;
  result.entities = block.columns[0].get<uint64_t>(0);
  result.members = block.columns[1].get<uint64_t>(0);
  if (int64_t next = block.columns[4].get<int64_t>(0); next != 0) result.next_change_us = next;
  result.sample = texts_of(block.columns[5]);
  if (present != nullptr)
    result.difference = {block.columns[2].get<uint64_t>(0), block.columns[3].get<uint64_t>(0),
                         texts_of(block.columns[6]), texts_of(block.columns[7])};
  return result;
}

}  // namespace tidemark::segments
