#include "segments/kept_group.h"

#include "base/limits.h"
#include "clickhouse/native_writer.h"
#include "clickhouse/schema.h"
#include "segments/kept_events.h"
#include "segments/membership_diff.h"
#include "segments/segment_limits.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <future>
#include <openssl/evp.h>
#include <unordered_map>

namespace tidemark::segments {
namespace {

clickhouse::QueryOptions options_for(const FewQuery& query, int64_t as_of,
                                     const std::vector<std::string>& entities) {
  std::vector<std::vector<std::string>> keys;
  for (const auto& entity : entities) keys.push_back(key_of_entity(entity, query.bound.key.size()));
  clickhouse::QueryOptions options = query_options(query.bound, as_of, keys);
  options.timeout = std::chrono::milliseconds(tidemark::limits::model_statement_ms_max);
  if (entities.size() <= limits::one_thread_entities) options.settings["max_threads"] = "1";
  options.describe_empty = false;
  return options;
}

std::string base64(std::string_view bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  int size =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                      reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  text.resize(static_cast<size_t>(size));
  return text;
}

}  // namespace

Result<ReadFacts> read_facts(clickhouse::ClientPool& pool, MembershipStore& store, const KeptGroup& kept,
                             const std::vector<std::string>& segments, const FactsWanted& wanted,
                             int64_t as_of) {
  ReadFacts read;
  auto ask = [&](const std::string& sql, const std::vector<std::string>& entities) {
    return std::async(entities.empty() ? std::launch::deferred : std::launch::async, [&]() -> Result<Block> {
      if (entities.empty()) return Block{};
      return pool.query(sql, options_for(kept.query, as_of, entities));
    });
  };
  auto events = ask(kept.kept().events, wanted.events);
  auto rows = ask(kept.query.entities, wanted.rows);
  Result<std::vector<Membership>> memberships = std::vector<Membership>();
  if (!wanted.memberships.empty()) memberships = store.memberships(segments, wanted.memberships);
  auto all_events = events.get(), all_rows = rows.get();
  read.events = TRY(std::move(all_events));
  read.rows = TRY(std::move(all_rows));
  read.memberships = TRY(std::move(memberships));
  return read;
}

void keep(KeptGroup& kept, const FactsWanted& wanted, const ReadFacts& read, uint64_t loaded, bool ahead) {
  std::unordered_map<std::string_view, std::vector<size_t>> rows, events;
  std::unordered_map<std::string_view, std::vector<Membership>> memberships;
  for (size_t row = 0; row < read.rows.rows(); ++row) rows[read.rows.columns[0].text(row)].push_back(row);
  for (size_t row = 0; row < read.events.rows(); ++row)
    events[read.events.columns[0].text(row)].push_back(row);
  for (const Membership& one : read.memberships) memberships[one.entity].push_back(one);
  for (const std::string& entity : wanted.rows) {
    EntityFacts& facts = kept.facts.at(entity);
    if (ahead && facts.has_row) continue;
    RowAnswers answers;
    if (auto found = rows.find(entity); found != rows.end()) {
      size_t row = found->second.front();
      answers.there = true;
      for (size_t leaf = 0; leaf < kept.query.row_leaves; ++leaf)
        answers.leaves.push_back({read.rows.columns[1 + 2 * leaf].get<uint8_t>(row) != 0,
                                  read.rows.columns[2 + 2 * leaf].get<int64_t>(row)});
    }
    keep_row(facts, answers);
  }
  KeptEvents read_events(kept.kept().columns, kept.constants);
  for (const std::string& entity : wanted.events) {
    EntityFacts& facts = kept.facts.at(entity);
    if (ahead && facts.has_events) continue;
    read_events.clear();
    if (auto found = events.find(entity); found != events.end()) read_events.add(read.events, found->second);
    facts.events = read_events.bytes();
    facts.has_events = true;
    facts.loaded = loaded;
  }
  for (const std::string& entity : wanted.memberships) {
    EntityFacts& facts = kept.facts.at(entity);
    if (!ahead || !facts.has_memberships) keep_memberships(facts, memberships[entity]);
  }
  for (const auto* list : {&wanted.rows, &wanted.events, &wanted.memberships})
    for (const std::string& entity : *list) kept.facts.counted(entity);
}

Result<std::optional<Block>> ask_given(clickhouse::ClientPool& pool, const KeptGroup& kept,
                                       const GivenRows& given, const Block& rows, int64_t as_of) {
  std::vector<std::string> structure;
  for (size_t index = 0; index < rows.columns.size(); ++index) {
    const ColumnType& type = rows.columns[index].type();
    auto there = given.columns.find(rows.names[index]);
    // Json is another type on its way than in the table.
    bool same = there != given.columns.end() && there->second == type.name() && type.kind != TypeKind::json &&
                type.kind != TypeKind::array;
    if (!same) return std::optional<Block>();
    structure.push_back(clickhouse::quote_identifier(rows.names[index]) + " " + type.wire_name());
  }
  if (rows.rows() == 0) return std::optional(Block{});
  std::string sql = given.sql;
  std::string all = clickhouse::quote_string(fmt::format("{}", fmt::join(structure, ", ")));
  for (size_t at = 0; (at = sql.find(given_structure, at)) != std::string::npos; at += all.size())
    sql.replace(at, std::string_view(given_structure).size(), all);
  clickhouse::QueryOptions options = options_for(kept.query, as_of, {});
  options.parameters["rows"] = base64(clickhouse::NativeBlock(rows).text());
  return std::optional(TRY(pool.query(sql, options)));
}

Status know_constants(clickhouse::ClientPool& pool, KeptGroup& kept, int64_t as_of) {
  const KeptQuery& query = kept.kept();
  if (query.constants.empty() || (as_of >= kept.constants_from && as_of < kept.constants_until)) return {};
  Block block = TRY(pool.query(query.constants, options_for(kept.query, as_of, {})));
  if (block.rows() != 1 || block.columns.size() != query.columns.constants.size())
    return fail(ErrorKind::corrupt, "the warehouse does not say which period it is");
  kept.constants.clear();
  for (const Column& column : block.columns) kept.constants.push_back(column.get<int64_t>(0));
  kept.constants_from = as_of;
  kept.constants_until = never_us;
  for (size_t end : query.columns.ends)
    kept.constants_until = std::min(kept.constants_until, kept.constants[end]);
  return {};
}

}  // namespace tidemark::segments
