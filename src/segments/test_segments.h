// For tests of segments: a real ClickHouse with tables of people, accounts, orders and events as ingest makes
// them, and definitions written as in files.
#pragma once

#include "clickhouse/test_server.h"
#include "segments/canonical.h"
#include "segments/compile.h"
#include "segments/definition_reader.h"
#include "segments/manual_lists.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace tidemark::segments {

inline constexpr int64_t second_us = 1'000'000;
inline constexpr int64_t day_us = 86'400 * second_us;

struct Answer {
  bool member = false;
  std::optional<int64_t> next_us;
};

inline std::optional<Definition> definition(const std::string& yaml) {
  config::Report report("");
  config::Environment environment(true);
  report.add_text("segment.yaml", yaml);
  auto node = config::parse_yaml(report, "segment.yaml", yaml);
  std::optional<Definition> read;
  if (node) read = read_definition({report, environment}, *node);
  auto errors = report.take_errors();
  EXPECT_TRUE(errors.empty()) << yaml << "\n" << config::render(errors);
  return errors.empty() ? read : std::nullopt;
}

class SegmentsTest : public testing::Test {
 protected:
  SegmentsTest() : client_(clickhouse::TestServer::shared().client()) {}

  void SetUp() override {
    for (const char* database : {"bronze", "tidemark"})
      run("DROP DATABASE IF EXISTS " + std::string(database) + " SYNC");
    run("CREATE DATABASE bronze");
    create("people",
           "id String, plan Nullable(String), spend Nullable(Decimal(12, 2)), visits Int64, born "
           "Nullable(Date32), "
           "signed_up Nullable(DateTime64(6, 'UTC')), tags Array(String), account Nullable(Int32), "
           "properties String",
           "id, plan, spend, visits, born, signed_up, tags, account, properties", "id");
    create("accounts", "id Int32, name String", "id, name", "id");
    create("orders",
           "id Int64, buyer String, product Int32, price Decimal(10, 2), status String, placed DateTime64(6, "
           "'UTC')",
           "id, buyer, product, price, status, placed", "id");
    create("products", "id Int32, category String, launched DateTime64(6, 'UTC')", "id, category, launched",
           "id");
    create("app_events",
           "message_id String, user_id Nullable(String), event LowCardinality(String), timestamp "
           "DateTime64(6, 'UTC'), "
           "properties String",
           "message_id, user_id, event, timestamp, properties", "message_id");
    options_.events = {{.table = "bronze.app_events",
                        .key = {"user_id"},
                        .name = "event",
                        .time = "timestamp",
                        .properties = "properties",
                        .id = "message_id"}};
  }

  void run(const std::string& sql) {
    auto done = client_.execute(sql);
    ASSERT_TRUE(done) << sql << "\n" << done.error().describe();
  }

  void create(const std::string& name, const std::string& columns, const std::string& names,
              const std::string& key) {
    run("CREATE TABLE bronze." + name + " (" + columns +
        ", _version UInt128, _deleted UInt8, _committed_at DateTime64(6, 'UTC'), _cut UInt64) ENGINE = "
        "ReplacingMergeTree(_version, _deleted) ORDER BY (" +
        key + ")");
    run("CREATE VIEW bronze." + name + "__current AS SELECT " + names + " FROM bronze." + name +
        " FINAL WHERE _deleted = 0");
  }

  // Rows as VALUES without the columns of ingest.
  void add(const std::string& table, const std::vector<std::string>& rows, bool deleted = false) {
    std::string values;
    for (const auto& row : rows)
      values += fmt::format("{}({}, {}, {}, '2026-01-01 00:00:00', 1)", values.empty() ? "" : ", ", row,
                            ++version_, deleted ? 1 : 0);
    run(fmt::format("INSERT INTO bronze.{} VALUES {}", table, values));
  }
  void person(const std::string& id, const std::string& properties = "{}") {
    add("people", {fmt::format("{}, NULL, NULL, 0, NULL, NULL, [], NULL, {}", clickhouse::quote_string(id),
                               clickhouse::quote_string(properties))});
  }
  void event(const std::string& user, const std::string& name, int64_t at_us,
             const std::string& properties = "{}", const std::string& message = "") {
    add("app_events",
        {fmt::format("{}, {}, {}, fromUnixTimestamp64Micro({}, 'UTC'), {}",
                     clickhouse::quote_string(message.empty() ? fmt::format("m{}", ++messages_) : message),
                     clickhouse::quote_string(user), clickhouse::quote_string(name), at_us,
                     clickhouse::quote_string(properties))});
  }

  int64_t at(const std::string& moment) {
    auto answer = client_.query_text(fmt::format(
        "SELECT toUnixTimestamp64Micro(parseDateTime64BestEffort('{}', 6, 'UTC')) FORMAT TabSeparatedRaw",
        moment));
    EXPECT_TRUE(answer) << (answer ? "" : answer.error().describe());
    return answer ? std::stoll(*answer) : 0;
  }

  Definition of_people(const std::string& where) {
    auto read = definition("segment: s\nentity: bronze.people\nwhere: " + where + "\n");
    return read ? std::move(*read) : Definition{};
  }

  std::optional<CompiledSegments> compiled(const std::vector<const Definition*>& definitions) {
    Catalog catalog(client_);
    std::vector<Problem> problems;
    auto result = compile(catalog, definitions, options_, problems);
    EXPECT_TRUE(result) << (result ? "" : result.error().describe());
    for (const Problem& problem : problems) ADD_FAILURE() << problem.message << " " << problem.remedy;
    if (!result || !problems.empty()) return std::nullopt;
    return std::move(*result);
  }

  std::map<std::string, Answer> answers(const Definition& definition, int64_t as_of_us,
                                        const std::vector<std::vector<std::string>>& keys = {}) {
    std::map<std::string, Answer> found;
    // Compiled once for all instants it is asked at.
    std::string identity =
        fmt::format("{} {} {}", keys.empty(), definition.name, group_of(definition, options_)) +
        canonical_text(definition);
    auto known = compiled_.find(identity);
    if (known == compiled_.end()) {
      options_.for_keys = !keys.empty();
      auto query = compiled({&definition});
      options_.for_keys = false;
      if (!query) return found;
      known = compiled_.emplace(identity, std::move(*query)).first;
    }
    const CompiledSegments* query = &known->second;
    auto options = query_options(*query, as_of_us, keys);
    auto block =
        client_.query(fmt::format("SELECT toString(`{}`), member_0, "
                                  "ifNull(toUnixTimestamp64Micro(next_change_at_0), toInt64(0)) FROM ({})",
                                  query->key.front(), query->sql),
                      options);
    EXPECT_TRUE(block) << (block ? "" : block.error().describe()) << "\n" << query->sql;
    if (!block) return found;
    for (size_t row = 0; row < block->rows(); ++row) {
      Answer answer;
      answer.member = block->columns[1].get<uint8_t>(row) != 0;
      int64_t next = block->columns[2].get<int64_t>(row);
      if (next != 0) answer.next_us = next;
      found[std::string(block->columns[0].text(row))] = answer;
    }
    return found;
  }

  std::set<std::string> members(const std::string& where, int64_t as_of_us) {
    std::set<std::string> found;
    for (const auto& [key, answer] : answers(of_people(where), as_of_us))
      if (answer.member) found.insert(key);
    return found;
  }

  clickhouse::Client client_;
  CompileOptions options_;
  std::map<std::string, CompiledSegments> compiled_;
  uint64_t version_ = 0;
  uint64_t messages_ = 0;
};

}  // namespace tidemark::segments
